"""The manifest: the list of utterances that every later stage works from, in Arrow, sorted by id."""

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
"""Of the file; 1 was Parquet, which memory cannot map."""


class Manifest:
    """An immutable, id-sorted list of utterances with a digest that ignores where the audio lies.

    Loaded from a file it is memory-mapped, and its memory does not grow with the corpus.
    """

    def __init__(self, utterances: Iterable[Utterance]) -> None:
        """Raises: UserError when an id occurs twice, ValueError when there is none."""
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
        """The utterance numbered `row`, in the order of ids."""
        return self._utterance(self.table.row(row))

    def part(self, rows: slice) -> list[Utterance]:
        """The utterances of some consecutive rows."""
        return [self._utterance(row) for row in self.table.rows(at=rows)]

    def _utterance(self, row: dict[str, Any]) -> Utterance:
        row["audio_path"] = os.path.join(self._folder, row["audio_path"])  # noqa: PTH118 (a hot loop)
        return Utterance(**row)

    @cached_property
    def digest(self) -> str:
        """Identity of the content, the same on every machine: all columns but the path."""
        if "digest" in self.table.facts:
            return self.table.facts["digest"]
        content = hashlib.sha256(b"[")  # as `artifacts.digest` of the list of rows, which is never held
        comma = b""
        for row in self.table.rows():
            row["audio_path"] = None
            content.update(comma + json.dumps(row, sort_keys=True, separators=(",", ":")).encode())
            comma = b","
        content.update(b"]")
        return content.hexdigest()[:16]

    @property
    def durations(self) -> np.ndarray:
        """(len,) seconds, NaN where the audio cannot be read."""
        return self.table.numbers("duration")

    def column(self, name: str) -> Mapping[str, str]:
        """A column by utterance id, such as "text" or "intent", of the utterances that have it."""
        return Column(self.table, name)

    @property
    def hours(self) -> float:
        """Hours of readable audio."""
        return float(np.nansum(self.durations)) / 3600

    def subset(self, limit: int | None, seed: int = 0) -> "Manifest":
        """At most `limit` utterances, spread evenly over speakers, chosen by `seed`; all for None."""
        if limit is None or limit >= len(self):
            return self
        speakers = self.table.column("speaker_id").dictionary_encode().indices.to_numpy()
        drawn = np.random.default_rng(seed).permutation(len(self))
        by_speaker = np.argsort(speakers[drawn], kind="stable")
        grouped = speakers[drawn][by_speaker]
        turns = np.empty(len(self), np.int64)  # how many of its speaker were drawn before
        turns[by_speaker] = np.arange(len(self)) - np.searchsorted(grouped, grouped)
        return self.take(drawn[np.argsort(turns, kind="stable")[:limit]])

    def take(self, rows: Iterable[int]) -> "Manifest":
        """The utterances of these rows."""
        return self.of(self.table.take(rows), self._folder)

    def save(self, path: Path) -> None:
        """Write Arrow; audio paths below the file's own folder are stored relative to it."""
        base = absolute(str(path.parent)) + os.sep
        paths = pa.array([absolute(u.audio_path).removeprefix(base) for u in self], pa.string())
        table = self.table.table.set_column(COLUMNS.index("audio_path"), "audio_path", paths)
        IdTable(table).save(path, {"format": str(FORMAT), "digest": self.digest})

    @classmethod
    def load(cls, path: Path) -> "Manifest":
        """Map what `save` wrote; relative audio paths are taken from the file's folder.

        Raises: ValueError for a manifest of another version.
        """
        table = IdTable.open(path)
        if table.facts.get("format") != str(FORMAT) or table.table.column_names != COLUMNS:
            raise ValueError(f"{path} is no manifest of version {FORMAT}; delete its folder to make it anew")
        return cls.of(table, str(path.parent))

    @classmethod
    def of(cls, table: IdTable, folder: str = "") -> "Manifest":
        """The manifest of a table with the columns of `SCHEMA`; relative audio paths are below `folder`."""
        if not len(table):
            raise ValueError("a manifest needs at least one utterance")
        manifest = cls.__new__(cls)
        manifest.table, manifest._folder = table, folder
        return manifest
