"""Frame store: the frames (tokens or features) of every utterance in memory-mapped arrays, indexed by id.

960 hours at 50 Hz are 173 M tokens per codebook: 346 MB in uint16, of which a reader touches only the
pages it needs. The index is mapped too, so opening a store costs the same whatever its size.
"""

import os
import shutil
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from benchmark.storage.id_table import ID, IdTable

INDEX = "index.arrow"
FORMAT = 3
"""Version of the file format, part of every store's key.

Version 1 was one array with an index in Parquet or CSV. Version 2 trusted digests that could belong to a
larger manifest.
"""
SCHEMA = pa.schema(
    {
        ID: pa.string(),
        "shard": pa.int32(),
        "offset": pa.int64(),
        "frames": pa.int32(),
        "failure": pa.string(),
    }
)


def shard_file(number: int) -> str:
    """Return the file name of one shard's array."""
    return f"{number:05d}.bin"


class FrameWriter:
    """Writer of a store of one shard; frames go to disk as they are added."""

    def __init__(self, folder: Path, width: int, dtype: np.dtype | str) -> None:
        self.width, self.dtype = width, np.dtype(dtype)
        self._folder = folder
        self._file = (folder / shard_file(0)).open("wb")
        self._rows: list[dict[str, Any]] = []
        self._offset = 0

    def add(self, utterance_id: str, frames: np.ndarray) -> None:
        """Append the frames (T, width) of one utterance."""
        if frames.shape[1] != self.width:
            raise ValueError(f"expected frames of width {self.width}, got {frames.shape} for {utterance_id}")
        self._file.write(np.ascontiguousarray(frames, self.dtype).data)
        self._append(utterance_id, len(frames), None)

    def fail(self, utterance_id: str, reason: str) -> None:
        """Record that an utterance has no frames, with the reason."""
        self._append(utterance_id, 0, reason)

    def close(self) -> None:
        """Write the index, after which the store can be opened."""
        self._file.close()
        facts = {"width": str(self.width), "dtype": self.dtype.name}
        IdTable(pa.Table.from_pylist(self._rows, SCHEMA)).save(self._folder / INDEX, facts)

    def _append(self, utterance_id: str, frames: int, failure: str | None) -> None:
        row = {ID: utterance_id, "shard": 0, "offset": self._offset, "frames": frames, "failure": failure}
        self._rows.append(row)
        self._offset += frames


class FrameStore:
    """Read access to a store; iteration and length cover the utterances that have frames."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.index = IdTable.open(folder / INDEX)
        self.width, self.dtype = int(self.index.facts["width"]), np.dtype(self.index.facts["dtype"])
        self._arrays: dict[int, np.ndarray] = {}

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the folder alone, so that another process maps the files; the arrays would be copied."""
        return type(self), (self.folder,)

    @cached_property
    def failures(self) -> dict[str, str]:
        """Reasons of failure by id, for the utterances that have no frames."""
        failed = self.index.table.filter(pc.is_valid(self.index.column("failure")))
        return dict(zip(failed[ID].to_pylist(), failed["failure"].to_pylist(), strict=True))

    def __iter__(self) -> Iterator[str]:
        return (row[ID] for row in self.index.rows([ID, "failure"]) if row["failure"] is None)

    def __len__(self) -> int:
        return int(self.index.column("failure").null_count)

    def __contains__(self, utterance_id: object) -> bool:
        return self._row(str(utterance_id)) is not None

    def rows_of(self, table: IdTable) -> np.ndarray:
        """Return the row in `index` of each id of another table, (len(table),); -1 for ids without frames."""
        rows = self.index.rows_of(table)
        failed = pc.is_valid(self.index.column("failure")).to_numpy(zero_copy_only=False)
        rows[rows >= 0] = np.where(failed[rows[rows >= 0]], -1, rows[rows >= 0])
        return rows

    def frames(self, utterance_id: str) -> int:
        """Return the number of frames of one utterance, without reading them."""
        return self._span(utterance_id)[2]

    def read(self, utterance_id: str, first: int = 0, last: int | None = None) -> np.ndarray:
        """Return the frames `first` up to `last` of one utterance, (T, width), reading only their pages."""
        shard, offset, frames = self._span(utterance_id)
        stop = frames if last is None else min(frames, last)
        return np.array(self.array(shard)[offset + min(first, stop) : offset + stop])

    def array(self, shard: int) -> np.ndarray:
        """Return all frames of a shard, (frames, width), memory-mapped."""
        if shard not in self._arrays:
            path = self.folder / shard_file(shard)
            shape = (path.stat().st_size // (self.width * self.dtype.itemsize), self.width)
            self._arrays[shard] = (
                np.memmap(path, self.dtype, "r", shape=shape) if shape[0] else np.empty(shape, self.dtype)
            )
        return self._arrays[shard]

    def _row(self, utterance_id: str) -> int | None:
        row = self.index.find(utterance_id)
        return None if row is None or self.index.column("failure")[row].is_valid else row

    def _span(self, utterance_id: str) -> tuple[int, int, int]:
        """Return the shard of an utterance, its first frame there, and its number of frames."""
        row = self._row(utterance_id)
        if row is None:
            raise KeyError(utterance_id)
        shard, offset, frames = (self.index.column(name)[row].as_py() for name in SCHEMA.names[1:4])
        return shard, offset, frames


def join(shards: Sequence[Path], folder: Path) -> None:
    """Join stores of one shard each to one store, in the given order, by hard links to their arrays."""
    indices = []
    for number, path in enumerate(shards):
        shard = IdTable.open(path / INDEX)
        place = SCHEMA.get_field_index("shard")
        indices.append(shard.table.set_column(place, "shard", pa.array([number] * len(shard), pa.int32())))
        link = folder / shard_file(number)
        link.unlink(missing_ok=True)
        try:
            os.link(path / shard_file(0), link)
        except OSError:  # not every file system has hard links
            shutil.copyfile(path / shard_file(0), link)
        facts = shard.facts
    IdTable(pa.concat_tables(t.replace_schema_metadata() for t in indices)).save(folder / INDEX, facts)
