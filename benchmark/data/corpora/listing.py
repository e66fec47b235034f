"""Functions that find corpus folders, and list their files without opening any."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from benchmark.errors import UserError


class Entry(NamedTuple):
    """One listed file; `path` is relative to the listed folder, with forward slashes."""

    path: str
    size: int
    mtime_ns: int


def require_root(root: str, corpus: str, variable: str) -> Path:
    """Return the corpus folder as an absolute path.

    Args:
        root: Path given by the user; empty if the environment variable is not set.
        corpus: Name of the corpus for the message.
        variable: Environment variable that the dataset's yaml reads.

    Raises:
        UserError: `root` is empty or not a folder.
    """
    remedy = (
        f"Point to it with {variable}=<root> in the environment or dataset.root=<root>, or download it: "
        f"make data DATASET={variable.lower()} ROOT=<root>."
    )
    if not root:
        raise UserError(f"the folder of {corpus} is not set. {remedy}")
    folder = Path(root).expanduser().absolute()
    if not folder.is_dir():
        raise UserError(f"{corpus} is not at {root!r}: there is no such folder. {remedy}")
    return folder


def subfolders(folder: Path) -> list[str]:
    """Return the sorted names of the folders in `folder`, without hidden ones."""
    with os.scandir(folder) as entries:
        return sorted(entry.name for entry in entries if not entry.name.startswith(".") and entry.is_dir())


def listing(folder: Path) -> list[Entry]:
    """Return all files below `folder`, sorted by path, without hidden ones.

    A broken link is listed with size -1, because the corpus has the file although the disk does not.
    """
    return sorted(_scan(folder, ""))


def _scan(folder: Path, prefix: str) -> Iterator[Entry]:
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith("."):
                continue
            path = prefix + entry.name
            if entry.is_dir():
                yield from _scan(Path(entry.path), path + "/")
                continue
            try:
                status = entry.stat()
            except OSError:
                yield Entry(path, -1, 0)
            else:
                yield Entry(path, status.st_size, status.st_mtime_ns)
