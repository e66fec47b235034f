"""The manifest: an Arrow table of utterances, sorted by id, which all later stages start from."""

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, fields
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from benchmark.errors import UserError
from benchmark.storage.id_table import Column, IdTable, absolute
from benchmark.types import Utterance

COLUMNS = [field.name for field in fields(Utterance)]
SCHEMA = pa.schema([(name, pa.float64() if name == "duration" else pa.string()) for name in COLUMNS])
FORMAT = 2
"""Version of the file format; version 1 was Parquet, which cannot be memory-mapped."""


class Manifest:
    """An immutable, id-sorted list of utterances with a digest that ignores where the audio lies.

    A manifest loaded from a file is memory-mapped, so its memory does not grow with the corpus.
    """

    def __init__(self, utterances: Iterable[Utterance]) -> None:
        """Sort the utterances by id.

        Raises:
            UserError: an id occurs twice.
            ValueError: there is no utterance.
        """
        rows = pa.Table.from_pylist([asdict(utterance) for utterance in utterances], SCHEMA)
        try:
            self.table = IdTable(rows)
        except ValueError as error:
            raise UserError(f"{error}. Is a recording in the corpus twice? Remove the copy.") from error
        self._folder = ""
        if not len(self.table):
            raise ValueError("a manifest needs at least one utterance")

    def __len__(self) -> int:
        return len(self.table)

    def __iter__(self) -> Iterator[Utterance]:
        return map(self._utterance, self.table.rows())

    def __getitem__(self, utterance_id: str) -> Utterance:
        row = self.table.find(utterance_id)
        if row is None:
            raise KeyError(utterance_id)
        return self.at(row)

    def at(self, row: int) -> Utterance:
        """Return the utterance numbered `row`, in the order of ids."""
        return self._utterance(self.table.row(row))

    def part(self, rows: slice) -> list[Utterance]:
        """Return the utterances of consecutive rows."""
        return [self._utterance(row) for row in self.table.rows(at=rows)]

    def _utterance(self, row: dict[str, Any]) -> Utterance:
        row["audio_path"] = os.path.join(self._folder, row["audio_path"])  # noqa: PTH118 (a hot loop)
        return Utterance(**row)

    @cached_property
    def digest(self) -> str:
        """Digest of all columns but the path, the same on every machine."""
        if "digest" in self.table.facts:
            return self.table.facts["digest"]
        content = hashlib.sha256(b"[")  # equals `hashing.digest` of all rows, without holding them in memory
        comma = b""
        for row in self.table.rows():
            row["audio_path"] = None
            content.update(comma + json.dumps(row, sort_keys=True, separators=(",", ":")).encode())
            comma = b","
        content.update(b"]")
        return content.hexdigest()[:16]

    @property
    def durations(self) -> np.ndarray:
        """Durations in seconds, (len,); NaN for audio that cannot be read."""
        return self.table.numbers("duration")

    def column(self, name: str) -> Mapping[str, str]:
        """Return a column such as "text" or "intent" by utterance id, for the utterances that have it."""
        return Column(self.table, name)

    @property
    def hours(self) -> float:
        """Hours of readable audio."""
        return float(np.nansum(self.durations)) / 3600

    def subset(self, limit: int | None, seed: int = 0) -> "Manifest":
        """Draw at most `limit` utterances by `seed`, spread evenly over speakers; None keeps all."""
        if limit is None or limit >= len(self):
            return self
        return self.take(self._drawn(seed)[:limit])

    def fill(self, most: float, sizes: np.ndarray, seed: int = 0) -> "Manifest":
        """Draw as `subset` does, as many utterances as have `sizes` (len,) of at most `most` in all.

        The first one is drawn whatever its size.
        """
        count = int(np.searchsorted(np.cumsum(sizes[self._drawn(seed)]), most, side="right"))
        return self.subset(max(1, count), seed)

    def _drawn(self, seed: int) -> np.ndarray:
        """Return the rows in the order of drawing: a first utterance of each speaker, then a second."""
        speakers = self.table.column("speaker_id").dictionary_encode().indices.to_numpy()
        drawn = np.random.default_rng(seed).permutation(len(self))
        by_speaker = np.argsort(speakers[drawn], kind="stable")
        grouped = speakers[drawn][by_speaker]
        turns = np.empty(len(self), np.int64)  # number of the same speaker's utterances drawn before
        turns[by_speaker] = np.arange(len(self)) - np.searchsorted(grouped, grouped)
        return drawn[np.argsort(turns, kind="stable")]

    def take(self, rows: Iterable[int]) -> "Manifest":
        """Return a manifest of the utterances of these rows."""
        return self.of(self.table.take(rows), self._folder)

    def save(self, path: Path) -> None:
        """Write an Arrow file; audio paths below the file's own folder are stored relative to it."""
        base = absolute(str(path.parent)) + os.sep
        paths = pa.array([absolute(u.audio_path).removeprefix(base) for u in self], pa.string())
        table = self.table.table.set_column(COLUMNS.index("audio_path"), "audio_path", paths)
        IdTable(table).save(path, {"format": str(FORMAT), "digest": self.digest})

    @classmethod
    def load(cls, path: Path) -> "Manifest":
        """Map a file that `save` wrote; relative audio paths start from the file's folder.

        Raises:
            ValueError: the manifest has another version.
        """
        table = IdTable.open(path)
        if table.facts.get("format") != str(FORMAT) or table.table.column_names != COLUMNS:
            raise ValueError(f"{path} is no manifest of version {FORMAT}; delete its folder to rebuild it")
        return cls.of(table, str(path.parent))

    @classmethod
    def of(cls, table: IdTable, folder: str = "") -> "Manifest":
        """Return the manifest of a table with the columns of `SCHEMA`.

        Relative audio paths start from `folder`.
        """
        if not len(table):
            raise ValueError("a manifest needs at least one utterance")
        manifest = cls.__new__(cls)
        manifest.table, manifest._folder = table, folder
        return manifest
