"""Runs that wandb keeps on disk, read back."""

import json
import struct
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from wandb.proto import wandb_internal_pb2

BLOCK, HEADER = 32_768, 7
WHOLE, FIRST, LAST = 1, 2, 4


def _chunks(content: bytes) -> Iterator[bytes]:
    """Payloads; a record that does not fit a block of 32 KiB comes in several pieces."""
    place, held = HEADER, b""
    assert content[:4] in (b"", b":W&B")
    while place + HEADER <= len(content):
        room = BLOCK - place % BLOCK
        if room < HEADER:  # padding at the end of a block
            place += room
            continue
        _, size, kind = struct.unpack("<IHB", content[place : place + HEADER])
        piece = content[place + HEADER : place + HEADER + size]
        place += HEADER + size
        held = piece if kind in (WHOLE, FIRST) else held + piece
        if kind in (WHOLE, LAST):
            yield held


class OfflineRun:
    """All that a `.wandb` file holds: records in LevelDB's log format, after a header of seven bytes."""

    def __init__(self, path: Path) -> None:
        self.config: dict[str, Any] = {}
        self.history: dict[str, Any] = {}
        """Last value by name."""
        self.summary: dict[str, Any] = {}
        self.artifacts: dict[str, tuple[str, list[str]]] = {}
        """Type and paths by name."""
        self.exit_code: int | None = None
        self.group = self.job_type = self.project = self.name = ""
        for payload in _chunks(path.read_bytes()):
            record = wandb_internal_pb2.Record()
            record.ParseFromString(payload)
            kind = record.WhichOneof("record_type")
            if kind == "run":
                run = record.run
                self.project, self.group, self.job_type = run.project, run.run_group, run.job_type
                self.name = run.display_name
                self.config |= {item.key: json.loads(item.value_json) for item in run.config.update}
            elif kind == "history":
                self._update(self.history, record.history.item)
            elif kind == "summary":
                self._update(self.summary, record.summary.update)
            elif kind == "artifact":
                manifest = record.artifact.manifest.contents
                self.artifacts[record.artifact.name] = (
                    record.artifact.type,
                    [entry.path for entry in manifest],
                )
            elif kind == "exit":
                self.exit_code = record.exit.exit_code

    @staticmethod
    def _update(values: dict[str, Any], items: Any) -> None:
        for item in items:
            values[item.key or ".".join(item.nested_key)] = json.loads(item.value_json)


def runs(folder: Path) -> list[OfflineRun]:
    """All runs below a folder, whole: wandb's own process may still be writing the last records."""
    for _ in range(600):
        found = [OfflineRun(path) for path in sorted(folder.rglob("run-*.wandb"))]
        if all(run.exit_code is not None for run in found):
            break
        time.sleep(0.1)
    return found
