"""Downloads that go on where they were broken off, and are checked before anything is done with them."""

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
"""How often in a row a connection may break without having brought anything."""
PAUSE, LONGEST_PAUSE = 1.0, 60.0
"""Seconds before the second try; each further pause is twice as long."""
TIMEOUT = 60.0
"""Seconds without a byte after which a connection counts as broken."""
AGENT = {"User-Agent": "speech-token-benchmark"}
"""Some servers refuse Python's own."""
AGAIN = (408, 425, 429, 500, 502, 503, 504)
"""Answers of a server that may be another one later."""


class _Broken(Exception):
    """The connection ended early; another may go on."""


def download(source: Source, target: Path, base: str | None = None) -> None:
    """Fetch a file; what a broken run left in `<target>.part` is gone on with.

    Args:
        source: What to fetch. Its size and checksum must be met.
        target: Where to write it; there is nothing at this path before all of it is there and right.
        base: Server and folder to fetch it from in place of the published one.

    Raises:
        UserError: the server has no such file or another one, the connection breaks again and again, the
            disk is full, or the content is not what was published; that is deleted.
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
        except OSError as error:  # of the disk: those of the network are `_Broken`
            raise UserError(
                f"cannot write {part}: {error.strerror or error}. What is there is kept; make room, or name "
                "another folder with --archives"
            ) from error
    require_intact(part, source, url)
    part.replace(target)


def require_intact(path: Path, source: Source, origin: str) -> None:
    """Compare a file with what was published, and delete it when it is something else.

    Raises:
        UserError: it was another file, and is gone.
    """
    found = None
    if source.size is not None and _size(path) != source.size:
        found = f"it has {_size(path):,} bytes instead of {source.size:,}"
    elif source.checksum is None:
        log.warning("%s: no checksum is known, so a wrong byte in it would not be noticed", source.name)
    elif checksum(path, source.checksum.partition(":")[0]) != source.checksum:
        found = f"its checksum is not {source.checksum}"
    if found:
        path.unlink()
        raise UserError(
            f"{source.name} of {origin} is not the published file: {found}. It was deleted; run the same "
            "command again to fetch it anew, or name another server with --mirror"
        )


def checksum(path: Path, kind: str) -> str:
    """Checksum of a file as "md5:…", or as "git:…", the name that git gives the content."""
    size = _size(path)
    total = hashlib.md5(usedforsecurity=False) if kind == "md5" else hashlib.sha1(b"blob %d\0" % size)
    with path.open("rb") as file, _bar(f"checking {path.name}", size) as bar:
        while block := file.read(BLOCK):
            total.update(block)
            bar.update(len(block))
    return f"{kind}:{total.hexdigest()}"


def _continue(url: str, part: Path, size: int | None) -> None:
    """One connection: append to `part` what it lacks.

    Raises:
        _Broken: before the end.
        UserError: trying again would not help.
    """
    have = _size(part)
    if size is not None and have >= size:  # all there, or what the comparison will refuse
        return
    request = urllib.request.Request(url, headers=AGENT | ({"Range": f"bytes={have}-"} if have else {}))
    try:
        answer = _network(lambda: urllib.request.urlopen(request, timeout=TIMEOUT))
    except urllib.error.HTTPError as error:
        if error.code in AGAIN:
            raise _Broken(f"the server answers {error.code}") from error
        if error.code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            if _range(error.headers)[1] == have:
                return
            part.unlink()
            raise _Broken("the server has less than was fetched before") from error
        raise UserError(
            f"{url}: the server answers {error.code} {error.reason}; name another with --mirror"
        ) from error
    with answer:
        resumes = answer.status == HTTPStatus.PARTIAL_CONTENT and _range(answer.headers)[0] == have
        have = have if resumes else 0  # a server that ignores ranges sends all of it
        length = answer.headers.get("Content-Length")
        whole = have + int(length) if length else None
        if None not in (size, whole) and whole != size:
            raise UserError(
                f"{url}: the server has {whole:,} bytes, {size:,} were published; name another with --mirror"
            )
        with part.open("ab" if resumes else "wb") as file, _bar(part.stem, whole or size, have) as bar:
            while block := _network(lambda: answer.read1(BLOCK)):
                file.write(block)
                have += len(block)
                bar.update(len(block))
            file.flush()
            os.fsync(file.fileno())
        if whole is not None and have < whole:
            raise _Broken("the connection ended early")


def _network(action: Callable[[], T]) -> T:
    """Run it; what may break on the way is `_Broken`, while the answers of a server pass."""
    try:
        return action()
    except urllib.error.HTTPError:
        raise
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", None) or error
        raise _Broken(f"{type(reason).__name__}: {reason}") from error


def _range(headers: Message) -> tuple[int | None, int | None]:
    """First byte and whole size of a Content-Range such as "bytes 5-9/123" or "bytes */123"."""
    match = re.fullmatch(r"bytes (?:(\d+)-\d+|\*)/(\d+|\*)", headers.get("Content-Range", ""))
    first, whole = match.groups() if match else (None, None)
    return int(first) if first else None, int(whole) if whole and whole != "*" else None


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _bar(what: str, total: int | None, done: int = 0) -> tqdm:
    """A bar in bytes; none where nobody looks at it."""
    return tqdm(desc=what, total=total, initial=done, unit="B", unit_scale=True, disable=None)
