"""Unpacking archives that come from elsewhere: nothing leaves the folder, nothing half stays."""

import gzip
import shutil
import tarfile
import zlib
from pathlib import Path, PurePosixPath
from typing import Any

from tqdm import tqdm

from benchmark.errors import UserError

WORKING = ".unpacking-"
"""Hidden folder of what is being unpacked; one that a killed run left is removed by the next."""
BLOCK = 1 << 20
FILTER: dict[str, Any] = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}
"""Keeps owners and odd modes out; Python has it from 3.11.4 on."""


def unpack(archive: Path, inside: str, target: Path) -> None:
    """Unpack one folder of a tar.gz to `target`, and the files beside it to beside the target.

    The folder appears whole or not at all. Files that are there already are left as they are.

    Args:
        archive: The file.
        inside: The folder in it, such as "LibriSpeech/dev-clean".
        target: Where that folder is to be; there must be nothing.

    Raises:
        UserError: the archive is damaged, lacks the folder, or holds a path that leads out, a link or a
            device; or the disk is full.
    """
    working = target.parent / f"{WORKING}{target.name}"
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(working, ignore_errors=True)
        working.mkdir()
        _unpack_all(archive, working)
        folder = working / inside
        if not folder.is_dir():
            raise UserError(f"{archive} holds no folder {inside}; it is another archive than its name says")
        for beside in folder.parent.iterdir():  # before the folder: tables of speakers are there with it
            if beside.is_file() and not (target.parent / beside.name).exists():
                beside.rename(target.parent / beside.name)
        folder.rename(target)
    except (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise UserError(
            f"{archive} is damaged ({error}); delete it and run the same command again"
        ) from error
    except OSError as error:
        raise UserError(
            f"cannot unpack {archive} below {target.parent}: {error.strerror or error}"
        ) from error
    finally:
        shutil.rmtree(working, ignore_errors=True)


def _unpack_all(archive: Path, folder: Path) -> None:
    with (
        archive.open("rb") as file,
        tqdm.wrapattr(
            file, "read", total=archive.stat().st_size, desc=f"unpacking {archive.name}", disable=None
        ) as watched,
        gzip.open(watched) as plain,
        tarfile.open(fileobj=plain, mode="r|", bufsize=BLOCK) as tar,
    ):
        for member in tar:
            _require_harmless(member, archive)
            tar.extract(member, folder, **FILTER)
            tar.members.clear()  # type: ignore[attr-defined]  # or a million headers would be kept
        while plain.read(BLOCK):  # its checksum stands at the end
            pass


def _require_harmless(member: tarfile.TarInfo, archive: Path) -> None:
    """Raises: UserError unless it is a file or folder inside; corpora have nothing else."""
    path = PurePosixPath(member.name)
    if path.is_absolute() or ".." in path.parts:
        found = "a path that leads out of the folder"
    elif member.issym() or member.islnk():
        found = f"a link (to {member.linkname!r})"
    elif not (member.isreg() or member.isdir()):
        found = "a device or pipe"
    else:
        return
    raise UserError(f"{archive} was not unpacked: {member.name!r} is {found}. Do not use this archive.")
