"""Model weights on disk: digests of checkpoint files, and loading that never runs code from a file."""

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from fnmatch import fnmatch
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import torch
from safetensors.torch import load_file

from benchmark.errors import UserError
from benchmark.storage.checkpoints import COPIES
from benchmark.storage.hashing import FileDigests, digest

NOT_WEIGHTS = ("*.md", "*.py", "*.pyc")
DIGESTS = FileDigests()
"""Cache of the digests of weight files; a run sets its folder to one among the artifacts."""


def weights_digest(folder: Path, files: Sequence[str] = ()) -> str:
    """Return a digest of a checkpoint's content that does not depend on the machine or the download method.

    If `files` is given, the files that match one of its patterns count. Otherwise all files count except
    hidden files, documentation, code, and, in a checkpoint with safetensors, `COPIES`.
    """
    paths = {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*"))}
    has_safe = any(name.endswith(".safetensors") for name in paths)
    skipped = (*NOT_WEIGHTS, *(COPIES if has_safe else ()))
    content = {}
    for name, path in paths.items():
        hidden = any(part.startswith((".", "__")) for part in name.split("/"))
        if files:
            counts = any(fnmatch(name, pattern) for pattern in files)
        else:
            counts = not hidden and not any(fnmatch(path.name, pattern) for pattern in skipped)
        if counts and path.is_file():
            status = path.stat()
            content[name] = _cached_digest(path.resolve(), status.st_size, status.st_mtime_ns)
    return digest(content)


@lru_cache(maxsize=1024)
def _cached_digest(path: Path, size: int, mtime_ns: int) -> str:  # noqa: ARG001 - parts of the cache key
    return DIGESTS(path)


SETTINGS = (
    "omegaconf.base.ContainerMetadata",
    "omegaconf.base.Metadata",
    "omegaconf.dictconfig.DictConfig",
    "omegaconf.listconfig.ListConfig",
    "omegaconf.nodes.AnyNode",
    "typing.Any",
)
"""Classes by which training settings are pickled beside the weights of some checkpoints."""
CONTAINERS = (dict, list, int, defaultdict)
"""Plain types that such settings name."""


class Unread:
    """Stand-in for a pickled object that is not a tensor; it keeps nothing of the object."""

    def __setstate__(self, state: object) -> None:
        """Forget the state."""


def load_tensors(path: Path, *, settings: bool = False) -> dict[str, Any]:
    """Load a safetensors or pickled checkpoint file to the CPU without running any code in the file.

    Args:
        path: The file.
        settings: True if the pickle may hold training settings, objects of the classes `SETTINGS`. They are
            not read; an `Unread` stands in the place of each.

    Raises:
        UserError: the pickle holds more than tensors and plain containers, or the file is damaged.
    """
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        named: list[Any] = [*((Unread, name) for name in SETTINGS), *CONTAINERS] if settings else []
        with torch.serialization.safe_globals(named):
            return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # the two libraries raise a dozen exception types between them
        raise UserError(f"{path} cannot be loaded safely: {str(error).splitlines()[0]}") from error


def renamed(state: Mapping[str, torch.Tensor], patterns: Mapping[str, str]) -> dict[str, torch.Tensor]:
    """Return the state dict under other names.

    Args:
        state: Weights by their published names.
        patterns: Regular expressions, each with its replacement; all of them are applied to every name, in
            their order.
    """
    own = {}
    for name, tensor in state.items():
        for pattern, replacement in patterns.items():
            name = re.sub(pattern, replacement, name)
        own[name] = tensor
    return own


def fold_weight_norm(state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Return the state dict with every pair `weight_g`, `weight_v` of weight normalization as one `weight`.

    The norm is taken over all axes but the first, as torch does by default (Salimans & Kingma 2016), and in
    float32.
    """
    folded = dict(state)
    for name in [name for name in state if name.endswith(".weight_g")]:
        direction = folded.pop(name.removesuffix("g") + "v").float()
        norm = direction.flatten(1).norm(dim=1).view(-1, *[1] * (direction.ndim - 1))
        folded[name.removesuffix("_g")] = direction * (folded.pop(name) / norm)
    return folded


def load_into(model: torch.nn.Module, state: Mapping[str, torch.Tensor], source: object) -> None:
    """Load a complete set of weights into a model in float32, and freeze the model for evaluation.

    Raises:
        UserError: weights are missing, superfluous, or of another shape.
    """
    try:
        model.load_state_dict({name: tensor.float() for name, tensor in state.items()})
    except RuntimeError as error:
        lines = str(error).splitlines()
        raise UserError(f"{source} does not fit {type(model).__name__}: {' '.join(lines[1:3])}") from error
    model.eval().requires_grad_(False)


def whisper_backend(folder: Path) -> Literal["ctranslate2", "transformers"]:
    """Return the name of the library that reads the Whisper model in `folder`.

    Raises:
        UserError: neither library reads the folder.
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
