"""Digests of content and of files, and safe file names for arbitrary text."""

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
    """Return a short, stable digest of JSON-able content (16 hex characters, 64 bits)."""
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=True)
    return hashlib.sha256(canonical.encode()).hexdigest()[:16]


LONGEST_NAME = 100
"""Upper limit on the characters of a text in a file name."""


def file_name(text: str) -> str:
    """Return the text itself if it is a safe file name, otherwise its safe characters and its digest."""
    name = re.sub(r"^[.-]|[^A-Za-z0-9._+-]", "_", text)[:LONGEST_NAME]
    return name if name == text else f"{name}-{digest(text)}"


def file_digest(path: Path) -> str:
    """Return the SHA-256 of one file, read in blocks."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class FileDigests:
    """A cache on disk of the digests of large files, because hashing gigabytes takes seconds.

    Each digest is one file `<folder>/<digest of path, size and modification time>`. A changed file is
    therefore hashed again, and processes need no lock. The digest of a file that changed a moment ago is
    not cached, because the file could change again within the clock's resolution.
    """

    worth = 1 << 20
    """File size in bytes from which digests are cached."""
    settled = 2.0
    """Seconds since the last change after which a file's digest is cached."""

    def __init__(self, folder: Path | None = None) -> None:
        """Set the folder of the cache; without a folder, every file is hashed."""
        self.folder = folder

    def __call__(self, path: Path) -> str:
        """Return the SHA-256 of one file, like `file_digest`, from the cache if possible."""
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
            except OSError as error:  # the cache only saves time
                log.debug("%s cannot be written: %s", kept, error)
        return fresh
