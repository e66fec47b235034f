"""Memory-mapped tables sorted by utterance id, in which rows are found by bisection.

The files are in Arrow's own format and not in Parquet, which would have to be decoded into memory. The
280,000 rows of a manifest are 75 MB on disk, and a process loads only the pages it touches.
"""

import os
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

ID = "utterance_id"
AT_ONCE = 1024
"""Rows that are converted to Python objects at a time."""


class IdTable:
    """A table with one row per utterance id.

    Attributes:
        table: One chunk per column, sorted by `ID` in code point order, no id twice.
    """

    def __init__(self, table: pa.Table) -> None:
        """Sort the rows by id.

        Raises:
            ValueError: an id occurs twice.
        """
        table = table.combine_chunks().replace_schema_metadata()  # facts belong to the file they came from
        ids = table[ID].to_pylist()
        if any(a >= b for a, b in pairwise(ids)):
            order = sorted(range(len(ids)), key=ids.__getitem__)
            repeated = [ids[a] for a, b in pairwise(order) if ids[a] == ids[b]]
            if repeated:
                names = ", ".join(sorted(set(repeated))[:5])
                raise ValueError(f"utterance ids must be unique; repeated: {names}")
            table = table.take(order).combine_chunks()
        self.table = table

    @classmethod
    def open(cls, path: Path) -> "IdTable":
        """Map a file that `save` wrote.

        Raises:
            OSError: the file cannot be read.
            pyarrow.ArrowInvalid: the file is not in Arrow's format.
        """
        opened = cls.__new__(cls)
        with pa.memory_map(str(path)) as source:
            opened.table = pa.ipc.open_file(source).read_all()
        return opened

    def save(self, path: Path, facts: Mapping[str, str] | None = None) -> None:
        """Write the rows, and `facts` about them, as one record batch."""
        with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, self._schema(facts)) as writer:
            writer.write_table(self.table)

    def _schema(self, facts: Mapping[str, str] | None) -> pa.Schema:
        return self.table.schema.with_metadata(facts or {})

    @property
    def facts(self) -> dict[str, str]:
        """Facts that `save` stored with the rows."""
        return {key.decode(): value.decode() for key, value in (self.table.schema.metadata or {}).items()}

    def __len__(self) -> int:
        return int(self.table.num_rows)

    @property
    def ids(self) -> pa.Array:
        """Ids of all rows, in order."""
        return self.column(ID)

    def column(self, name: str) -> pa.Array:
        """Return one column without copying it."""
        chunks = self.table[name]
        return chunks.chunk(0) if chunks.num_chunks else pa.array([], chunks.type)

    def numbers(self, name: str) -> np.ndarray:
        """Return a column of numbers without nulls as an array, without copying it."""
        return np.asarray(self.column(name).to_numpy())

    def find(self, utterance_id: str) -> int | None:
        """Return the row number of an id, or None if the table lacks it."""
        ids = self.ids
        row = bisect_left(range(len(ids)), utterance_id, key=lambda at: ids[at].as_py())
        return row if row < len(ids) and ids[row].as_py() == utterance_id else None

    def rows_of(self, other: "IdTable") -> np.ndarray:
        """Return the row number here of each id of another table, (len(other),); -1 for ids missing here."""
        if self.ids.equals(other.ids):  # the usual case: both describe one manifest
            return np.arange(len(self))
        found = (self.find(row[ID]) for row in other.rows([ID]))
        return np.fromiter((-1 if row is None else row for row in found), np.int64, len(other))

    def rows(self, columns: Iterable[str] | None = None, at: slice = slice(None)) -> Iterator[dict]:
        """Yield rows as dictionaries; at most `AT_ONCE` of them are held in memory."""
        table = self.table if columns is None else self.table.select(list(columns))
        first, last, _ = at.indices(len(self))
        for start in range(first, last, AT_ONCE):
            yield from table.slice(start, min(AT_ONCE, last - start)).to_pylist()

    def row(self, at: int) -> dict:
        """Return one row as a dictionary."""
        return self.table.slice(at, 1).to_pylist()[0]

    def take(self, at: Iterable[int]) -> "IdTable":
        """Return a table in memory of the rows numbered `at`."""
        return IdTable(self.table.take(pa.array(at, pa.int64())))


class Column(Mapping[str, str]):
    """A read-only mapping from utterance id to the text of a column; rows without a text are left out.

    Texts are read on access.
    """

    def __init__(self, table: IdTable, name: str) -> None:
        self._table, self._texts = table, table.column(name)
        self._present = pc.greater(pc.fill_null(pc.binary_length(self._texts), 0), 0)

    def __getitem__(self, utterance_id: str) -> str:
        row = self._table.find(utterance_id)
        if row is None or not self._present[row].as_py():
            raise KeyError(utterance_id)
        return str(self._texts[row].as_py())

    def __iter__(self) -> Iterator[str]:
        for start in range(0, len(self._table), AT_ONCE):
            part = slice(start, start + AT_ONCE)
            yield from self._table.ids[part].filter(self._present[part]).to_pylist()

    def __len__(self) -> int:
        return int(self._present.true_count)


def absolute(path: str) -> str:
    """Return an absolute path like `Path.absolute`, without resolving links; fast on 100,000s of paths."""
    return os.path.abspath(path)  # noqa: PTH100
