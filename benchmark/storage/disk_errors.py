"""A disk that is full or cannot be written, told as a sentence that says what to do about it."""

import errno
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from benchmark.errors import UserError

FULL = {errno.ENOSPC: "the disk is full", errno.EDQUOT: "the disk quota is used up"}
CLOSED = {
    errno.EROFS: "the file system is read-only",
    errno.EACCES: "writing there is not allowed",
    errno.EPERM: "writing there is not allowed",
}
NOTHING = 1 << 20
"""Bytes: with less than this free, whatever failed is taken to have failed for lack of space."""


class DiskError(UserError):
    """A disk is full or closed; what was being made is not at fault."""


@contextmanager
def writing(folders: Mapping[str, Path]) -> Iterator[None]:
    """Raise `DiskError` in place of what comes from a disk inside; `folders` as for `unwritable`."""
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        if told := unwritable(error, folders):
            raise told from error
        raise


def unwritable(error: BaseException, folders: Mapping[str, Path]) -> DiskError | None:
    """What to tell the user where `error` comes from a disk, None where it does not.

    Libraries wrap the system's errors or drop their number, so that the chain of causes and the space left
    are looked at as well. A file outside `folders` that may not be read is no matter of theirs.

    Args:
        error: What ended the work.
        folders: Where it writes, by the environment variable that moves the folder.
    """
    reason = next(_reasons(error, folders), None)
    free = {folder: _free(folder) for folder in folders.values()}
    if reason is None and min(free.values()) < NOTHING:
        reason = f"the disk is full: {error}"
    if reason is None:
        return None
    places = ", ".join(f"{folder} ({size / 1e6:,.0f} MB free)" for folder, size in free.items())
    moves = " or ".join(f"{variable}=<folder>" for variable in folders)
    return DiskError(
        f"{reason}. What is finished is kept. Make room or allow writing in {places}, or take another folder "
        f"with {moves} in the environment; the same command then goes on where it was."
    )


def _reasons(error: BaseException | None, folders: Mapping[str, Path]) -> Iterator[str]:
    """What the chain of causes says, the nearest first."""
    while error is not None:
        if isinstance(error, OSError) and error.errno is not None:
            name = error.filename if isinstance(error.filename, str) else ""
            where = f" ({name})" if name else ""
            if error.errno in FULL:
                yield FULL[error.errno] + where
            elif error.errno in CLOSED and any(_is_below(name, folder) for folder in folders.values()):
                yield CLOSED[error.errno] + where
        error = error.__cause__ or error.__context__


def _is_below(name: str, folder: Path) -> bool:
    """Whether a file is in the folder, or on the way to one that does not exist yet."""
    path, folder = Path(name).absolute(), folder.absolute()
    return bool(name) and (path.is_relative_to(folder) or folder.is_relative_to(path))


def _free(folder: Path) -> int:
    """Bytes free where the folder is, or will be."""
    folder = folder.absolute()
    while not folder.exists():
        folder = folder.parent
    return shutil.disk_usage(folder).free
