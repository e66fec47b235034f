"""Digests of content and of files, and file names made of any text."""

import hashlib
import json
import logging
import re
import time
from pathlib import Path
from typing import Any

from benchmark.storage.atomic_files import write_atomic

log = logging.getLogger(__name__)


def digest(content: Any) -> str:
    """Short stable digest of JSON-able content (16 hex characters, 64 bits)."""
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=True)
    return hashlib.sha256(canonical.encode()).hexdigest()[:16]


LONGEST_NAME = 100
"""Characters of a text in a file's name."""


def file_name(text: str) -> str:
    """The text where any file may be called so, or else what is left of it and a digest of the whole."""
    name = re.sub(r"^[.-]|[^A-Za-z0-9._+-]", "_", text)[:LONGEST_NAME]
    return name if name == text else f"{name}-{digest(text)}"


def file_digest(path: Path) -> str:
    """SHA-256 of one file, read in blocks."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class FileDigests:
    """Digests of large files, kept from one process to the next: gigabytes take seconds to read.

    One file `<folder>/<digest of path, size and modification time>` each, so that a changed file is
    hashed again and processes need no lock. A file that was changed a moment ago is not remembered:
    it could change once more within the clock's resolution.
    """

    worth = 1 << 20
    """Bytes from which on a digest is kept."""
    settled = 2.0
    """Seconds since the last change."""

    def __init__(self, folder: Path | None = None) -> None:
        """Without a folder every file is hashed."""
        self.folder = folder

    def __call__(self, path: Path) -> str:
        """As `file_digest`."""
        status = path.stat()
        if self.folder is None or status.st_size < self.worth:
            return file_digest(path)
        facts = {"path": str(path.resolve()), "size": status.st_size, "mtime_ns": status.st_mtime_ns}
        kept = self.folder / digest(facts)
        try:
            content = kept.read_text()
            if re.fullmatch("[0-9a-f]{64}", content):
                return content
        except (OSError, UnicodeDecodeError):
            pass
        fresh = file_digest(path)
        if time.time() - status.st_mtime > self.settled:
            try:
                write_atomic(kept, fresh)
            except OSError as error:  # it only saves time
                log.debug("%s cannot be written: %s", kept, error)
        return fresh
