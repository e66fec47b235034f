"""Downloads that resume after an interruption, and are verified before use."""

import hashlib
import http.client
import logging
import os
import re
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from email.message import Message
from http import HTTPStatus
from pathlib import Path
from typing import TypeVar

from tqdm import tqdm

from benchmark.data.download.published_corpora import Source
from benchmark.errors import UserError

log = logging.getLogger(__name__)
T = TypeVar("T")

BLOCK = 1 << 20
TRIES = 7
"""Number of consecutive connections without new data after which the download fails."""
PAUSE, LONGEST_PAUSE = 1.0, 60.0
"""Seconds of the first and of the longest pause between tries; each pause is twice the one before."""
TIMEOUT = 60.0
"""Seconds without a byte after which a connection counts as broken."""
AGENT = {"User-Agent": "speech-token-benchmark"}
"""Header with a name of its own, because some servers refuse Python's."""
AGAIN = (408, 425, 429, 500, 502, 503, 504)
"""HTTP status codes that may be temporary."""


class _Broken(Exception):
    """An error of a connection that ended early; another connection may resume."""


def download(source: Source, target: Path, base: str | None = None) -> None:
    """Download a file, resuming from `<target>.part` if an interrupted run left one.

    Args:
        source: File to download; the content must match its size and checksum.
        target: Path of the file, which exists only once the content is complete and verified.
        base: Server and folder to download from instead of the published one.

    Raises:
        UserError: the server has no such file or another one, the connection breaks repeatedly, the disk is
            full, or the content is not the published one, in which case it is deleted.
    """
    url = (base.rstrip("/") + "/" if base else source.base) + source.name
    part = target.with_name(f"{target.name}.part")
    tries = 0
    while True:
        before = _size(part)
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            _continue(url, part, source.size)
            break
        except _Broken as error:
            tries = 1 if _size(part) > before else tries + 1
            if tries == TRIES:
                raise UserError(
                    f"{url}: {error}, {TRIES} times in a row. {_size(part):,} bytes are in {part}; run the "
                    "same command again to go on there, or name another server with --mirror"
                ) from error
            pause = min(LONGEST_PAUSE, PAUSE * 2 ** (tries - 1))
            log.warning("%s: %s at %s bytes; trying again in %g s", url, error, f"{_size(part):,}", pause)
            time.sleep(pause)
        except OSError as error:  # an error of the disk, as those of the network are `_Broken`
            raise UserError(
                f"cannot write {part}: {error.strerror or error}. The data so far is kept; free space, or "
                "name another folder with --archives"
            ) from error
    require_intact(part, source, url)
    part.replace(target)


def require_intact(path: Path, source: Source, origin: str) -> None:
    """Compare a file with the published size and checksum, and delete the file if it differs.

    Raises:
        UserError: the file differed and was deleted.
    """
    found = None
    if source.size is not None and _size(path) != source.size:
        found = f"it has {_size(path):,} bytes instead of {source.size:,}"
    elif source.checksum is None:
        log.warning("%s: no checksum is known, so a damaged byte would go unnoticed", source.name)
    elif checksum(path, source.checksum.partition(":")[0]) != source.checksum:
        found = f"its checksum is not {source.checksum}"
    if found:
        path.unlink()
        raise UserError(
            f"{source.name} of {origin} is not the published file: {found}. It was deleted; run the same "
            "command again to download it, or name another server with --mirror"
        )


def checksum(path: Path, kind: str) -> str:
    """Return the checksum of a file as "md5:…", or as "git:…", the name that git gives to the content."""
    size = _size(path)
    total = hashlib.md5(usedforsecurity=False) if kind == "md5" else hashlib.sha1(b"blob %d\0" % size)
    with path.open("rb") as file, _make_bar(f"checking {path.name}", size) as bar:
        while block := file.read(BLOCK):
            total.update(block)
            bar.update(len(block))
    return f"{kind}:{total.hexdigest()}"


def _continue(url: str, part: Path, size: int | None) -> None:
    """Open one connection and append to `part` the data that is missing there.

    Raises:
        _Broken: the connection ended early.
        UserError: trying again would not help.
    """
    have = _size(part)
    if size is not None and have >= size:  # complete, or too long, which `require_intact` will refuse
        return
    request = urllib.request.Request(url, headers=AGENT | ({"Range": f"bytes={have}-"} if have else {}))
    try:
        answer = _run_network(lambda: urllib.request.urlopen(request, timeout=TIMEOUT))
    except urllib.error.HTTPError as error:
        if error.code in AGAIN:
            raise _Broken(f"the server answers {error.code}") from error
        if error.code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            if _parse_range(error.headers)[1] == have:
                return
            part.unlink()
            raise _Broken("the server has less than was fetched before") from error
        raise UserError(
            f"{url}: the server answers {error.code} {error.reason}; name another with --mirror"
        ) from error
    with answer:
        resumes = answer.status == HTTPStatus.PARTIAL_CONTENT and _parse_range(answer.headers)[0] == have
        have = have if resumes else 0  # a server that ignores ranges sends the whole file
        length = answer.headers.get("Content-Length")
        whole = have + int(length) if length else None
        if None not in (size, whole) and whole != size:
            raise UserError(
                f"{url}: the server has {whole:,} bytes, {size:,} were published; name another with --mirror"
            )
        with part.open("ab" if resumes else "wb") as file, _make_bar(part.stem, whole or size, have) as bar:
            while block := _run_network(lambda: answer.read1(BLOCK)):
                file.write(block)
                have += len(block)
                bar.update(len(block))
            file.flush()
            os.fsync(file.fileno())
        if whole is not None and have < whole:
            raise _Broken("the connection ended early")


def _run_network(action: Callable[[], T]) -> T:
    """Run a network action, raising `_Broken` for lost connections; HTTP error responses pass unchanged."""
    try:
        return action()
    except urllib.error.HTTPError:
        raise
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", None) or error
        raise _Broken(f"{type(reason).__name__}: {reason}") from error


def _parse_range(headers: Message) -> tuple[int | None, int | None]:
    """Return first byte and whole size of a Content-Range such as "bytes 5-9/123" or "bytes */123"."""
    match = re.fullmatch(r"bytes (?:(\d+)-\d+|\*)/(\d+|\*)", headers.get("Content-Range", ""))
    first, whole = match.groups() if match else (None, None)
    return int(first) if first else None, int(whole) if whole and whole != "*" else None


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _make_bar(what: str, total: int | None, done: int = 0) -> tqdm:
    """Return a progress bar in bytes, which is disabled if the output is not a terminal."""
    return tqdm(desc=what, total=total, initial=done, unit="B", unit_scale=True, disable=None)
