"""Translation of full and read-only disks into an error message with the next step."""

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
"""Free bytes below which any failure is attributed to a lack of space."""


class DiskError(UserError):
    """An error of a disk that is full or not writable, and not of the work that was writing to it."""


@contextmanager
def writing(folders: Mapping[str, Path]) -> Iterator[None]:
    """Raise disk-related exceptions of the `with` block as `DiskError`; see `unwritable` for `folders`."""
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        if told := unwritable(error, folders):
            raise told from error
        raise


def unwritable(error: BaseException, folders: Mapping[str, Path]) -> DiskError | None:
    """Return a `DiskError` for the user if `error` comes from a disk, otherwise None.

    Libraries wrap the system's errors or drop their number, so the chain of causes and the free space are
    examined as well. A permission error outside `folders` does not count as a disk error.

    Args:
        error: Exception that ended the work.
        folders: Folders that the work writes to, by the environment variable that moves each of them.
    """
    reason = next(_find_reasons(error, folders), None)
    free = {folder: _count_free(folder) for folder in folders.values()}
    if reason is None and min(free.values()) < NOTHING:
        reason = f"the disk is full: {error}"
    if reason is None:
        return None
    places = ", ".join(f"{folder} ({size / 1e6:,.0f} MB free)" for folder, size in free.items())
    moves = " or ".join(f"{variable}=<folder>" for variable in folders)
    return DiskError(
        f"{reason}. Finished work is kept. Free space or allow writing in {places}, or set another folder "
        f"with {moves} in the environment; the same command then resumes where it stopped."
    )


def _find_reasons(error: BaseException | None, folders: Mapping[str, Path]) -> Iterator[str]:
    """Yield the disk-related reasons in the chain of causes, nearest first."""
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
    """Return whether a file lies in the folder, or is a parent of a folder that does not exist yet."""
    path, folder = Path(name).absolute(), folder.absolute()
    return bool(name) and (path.is_relative_to(folder) or folder.is_relative_to(path))


def _count_free(folder: Path) -> int:
    """Return the free bytes of the disk where the folder is or will be created."""
    folder = folder.absolute()
    while not folder.exists():
        folder = folder.parent
    return shutil.disk_usage(folder).free
