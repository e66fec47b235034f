"""Frames of features by utterance: one memory-mapped array beside an index, made over many sittings."""

import csv
import os
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from benchmark.artifacts import fsync_path

FRAMES, INDEX = "frames.bin", "index.csv"
SYNC_EVERY = 200
"""Utterances after which what was written is forced to disk: what a kill can cost."""


class FrameWriter:
    """Appends utterances to a folder, going on after those that a killed writer left whole there."""

    def __init__(self, folder: Path, width: int, dtype: str) -> None:
        self.width, self.dtype = width, np.dtype(dtype)
        self._folder = folder
        rows = list(_rows(folder))
        size = sum(frames for _, frames in rows) * self._row_bytes
        data = folder / FRAMES
        while rows and (not data.exists() or data.stat().st_size < size):
            size -= rows.pop()[1] * self._row_bytes  # the index reached the disk before the frames
        self.done = {name for name, _ in rows}
        self.bytes = size
        self._data = data.open("r+b" if data.exists() else "w+b")
        self._data.truncate(size)
        self._data.seek(size)
        self._index = (folder / INDEX).open("w", newline="")
        self._table = csv.writer(self._index)
        self._table.writerow(["utterance_id", "frames", self.width, self.dtype.name])
        self._table.writerows(rows)
        self._unsynced = 0

    def __enter__(self) -> "FrameWriter":
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._sync()
        self._data.close()
        self._index.close()

    def add(self, utterance_id: str, frames: np.ndarray) -> None:
        """Append (T, width) frames of one utterance."""
        self._data.write(np.ascontiguousarray(frames, self.dtype).tobytes())
        self._table.writerow([utterance_id, len(frames)])
        self.bytes += len(frames) * self._row_bytes
        self._unsynced += 1
        if self._unsynced == SYNC_EVERY:
            self._sync()

    @property
    def _row_bytes(self) -> int:
        return self.width * self.dtype.itemsize

    def _sync(self) -> None:
        """The frames before the index that promises them."""
        self._data.flush()
        os.fsync(self._data.fileno())
        self._index.flush()
        os.fsync(self._index.fileno())
        fsync_path(self._folder)
        self._unsynced = 0


class FrameStore:
    """Read access to what a `FrameWriter` wrote; another process opens it anew."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        with (folder / INDEX).open(newline="") as file:
            _, _, width, dtype = next(csv.reader(file))
        self.width = int(width)
        self._spans: dict[str, tuple[int, int]] = {}
        total = 0
        for name, frames in _rows(folder):
            self._spans[name] = (total, total + frames)
            total += frames
        shape = (total, self.width)
        self._frames = (
            np.memmap(folder / FRAMES, dtype, "r", shape=shape) if total else np.empty(shape, dtype)
        )

    def __reduce__(self) -> tuple[Any, ...]:
        return FrameStore, (self.folder,)

    def __contains__(self, utterance_id: object) -> bool:
        return utterance_id in self._spans

    def __len__(self) -> int:
        return len(self._spans)

    def read(self, utterance_id: str, first: int = 0, last: int | None = None) -> np.ndarray:
        """(T, width) frames of one utterance from `first` up to `last`; only their pages are read."""
        begin, end = self._spans[utterance_id]
        stop = end if last is None else min(end, begin + last)
        return np.array(self._frames[min(begin + first, stop) : stop])


def _rows(folder: Path) -> Iterator[tuple[str, int]]:
    """Utterances and their frames as far as the index is whole."""
    path = folder / INDEX
    if not path.exists():
        return
    text = path.read_text()
    for row in csv.reader(text[: text.rfind("\n") + 1].splitlines()[1:]):
        yield row[0], int(row[1])
