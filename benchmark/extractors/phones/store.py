"""Storage of the phones of a whole split."""

from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from benchmark.data.corpora.base import Corpus
from benchmark.extractors.phones.aligner import Aligner
from benchmark.extractors.phones.segments import Phones
from benchmark.storage.artifacts import ArtifactStore

SCHEMA = pa.schema(
    {
        "utterance_id": pa.string(),
        "labels": pa.list_(pa.string()),
        "ends": pa.list_(pa.float64()),
        "failure": pa.string(),
    }
)
WRITTEN_AT_ONCE = 1024
"""Utterances held in memory before they are written."""


class PhoneTiers(Mapping[str, Phones]):
    """A read-only mapping from utterance id to phones, for the utterances that have phones."""

    def __init__(self, file: Path, source: str) -> None:
        """Read a file that `phone_tiers` wrote; labels stay dictionary-encoded until access."""
        table = pq.read_table(file, read_dictionary=["labels.list.element"]).combine_chunks()
        names, failures = table["utterance_id"].to_pylist(), table["failure"].to_pylist()
        self._labels, self._ends = table["labels"], table["ends"]
        self._rows = {name: row for row, name in enumerate(names) if failures[row] is None}
        self.failures: dict[str, str] = {
            name: reason for name, reason in zip(names, failures, strict=True) if reason is not None
        }
        """Reasons of failure by id, for the utterances without phones."""
        self.source = source
        """Origin of the phones in words, for the definition of a metric."""

    def __getitem__(self, utterance_id: str) -> Phones:
        row = self._rows[utterance_id]
        ends = self._ends[row].values.to_numpy(zero_copy_only=False)
        return Phones(tuple(self._labels[row].as_py()), ends)

    def __iter__(self) -> Iterator[str]:
        return iter(self._rows)

    def __len__(self) -> int:
        return len(self._rows)


def phone_tiers(
    corpus: Corpus, split: str, aligner: Aligner, store: ArtifactStore, device: str = "cpu"
) -> PhoneTiers | None:
    """Return the phones of a split, aligned once; None if the aligner has none for this corpus.

    Raises:
        UserError: a corpus folder or weights are missing.
    """
    aligned = aligner.align(corpus, split, store, device)
    if aligned is None:
        return None
    key: dict[str, Any] = {"manifest": corpus.manifest(split, store).digest, "aligner": aligner.identity()}
    folder = store.get("alignments", key, lambda folder: _write(aligned, folder / "phones.parquet"))
    return PhoneTiers(folder / "phones.parquet", aligner.source)


def _write(aligned: Iterator[tuple[str, Phones | str]], file: Path) -> None:
    with pq.ParquetWriter(file, SCHEMA) as writer:
        while some := [_row(name, phones) for name, phones in islice(aligned, WRITTEN_AT_ONCE)]:
            writer.write_table(pa.Table.from_pylist(some, SCHEMA))


def _row(name: str, phones: Phones | str) -> dict[str, Any]:
    if isinstance(phones, str):
        return {"utterance_id": name, "failure": phones}
    return {"utterance_id": name, "labels": list(phones.labels), "ends": phones.ends.tolist()}
