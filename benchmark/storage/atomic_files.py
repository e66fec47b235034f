"""File writes that survive a crash: a reader sees the old file or the new one, never a partial one."""

import os
import platform
from pathlib import Path


def fsync_path(path: Path) -> None:
    """Force one file, or the entries of one folder, to disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_atomic(path: Path, content: str | bytes) -> None:
    """Replace the content of `path`; neither a reader nor a crash ever sees a partial file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # The name includes the host, because processes of two nodes that share a disk may have the same number.
    temporary = path.with_name(f".{path.name}.{platform.node()}.{os.getpid()}.tmp")
    data = content.encode() if isinstance(content, str) else content
    try:
        temporary.write_bytes(data)
        fsync_path(temporary)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    fsync_path(path.parent)
