"""Safe unpacking of downloaded archives: no file leaves the target folder, and no partial result remains."""

import gzip
import shutil
import tarfile
import zlib
from pathlib import Path, PurePosixPath
from typing import Any

from tqdm import tqdm

from benchmark.errors import UserError

WORKING = ".unpacking-"
"""Prefix of the hidden working folder; the next run removes one that a killed run left behind."""
BLOCK = 1 << 20
FILTER: dict[str, Any] = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}
"""Arguments that make `extract` ignore owners and unusual modes; Python supports them from 3.11.4 on."""


def unpack(archive: Path, inside: str, target: Path) -> None:
    """Unpack one folder of a tar.gz to `target`, and the files beside that folder to the parent of `target`.

    The folder appears whole or not at all. Existing files are left unchanged.

    Args:
        archive: The tar.gz file.
        inside: Folder in the archive, such as "LibriSpeech/dev-clean".
        target: New path of that folder, which must not exist yet.

    Raises:
        UserError: the archive is damaged, lacks the folder, or holds a link, a device, or a path that leads
            out of the folder; or the disk is full.
    """
    working = target.parent / f"{WORKING}{target.name}"
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(working, ignore_errors=True)
        working.mkdir()
        _unpack_all(archive, working)
        folder = working / inside
        if not folder.is_dir():
            raise UserError(f"{archive} holds no folder {inside}; delete it and download the right archive")
        for beside in folder.parent.iterdir():  # first, so that the folder never lacks its speaker tables
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
            tar.members.clear()  # type: ignore[attr-defined]  # else a million headers stay in memory
        while plain.read(BLOCK):  # the rest must be read, because the checksum is at the end
            pass


def _require_harmless(member: tarfile.TarInfo, archive: Path) -> None:
    """Refuse members other than files and folders inside the target; corpora have no others.

    Raises:
        UserError: the member is a link or a device, or its path leads out of the folder.
    """
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
