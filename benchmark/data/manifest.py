"""The manifest: the list of utterances that every later stage works from, in Parquet, sorted by id."""

import os
from collections.abc import Iterable, Iterator
from dataclasses import asdict, fields
from functools import cached_property
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd

from benchmark.artifacts import digest
from benchmark.types import Utterance

COLUMNS = [field.name for field in fields(Utterance)]


class Manifest:
    """An immutable, id-sorted list of utterances with a digest that ignores where the audio lies."""

    def __init__(self, utterances: Iterable[Utterance]) -> None:
        """Raises: ValueError when it is empty or an id occurs twice."""
        self.utterances = tuple(sorted(utterances, key=lambda utterance: utterance.utterance_id))
        if not self.utterances:
            raise ValueError("a manifest needs at least one utterance")
        ids = [utterance.utterance_id for utterance in self.utterances]
        repeated = sorted({a for a, b in pairwise(ids) if a == b})
        if repeated:
            raise ValueError(f"utterance ids must be unique; repeated: {', '.join(repeated[:5])}")

    def __len__(self) -> int:
        return len(self.utterances)

    def __iter__(self) -> Iterator[Utterance]:
        return iter(self.utterances)

    def __getitem__(self, utterance_id: str) -> Utterance:
        return self._by_id[utterance_id]

    @cached_property
    def _by_id(self) -> dict[str, Utterance]:
        return {utterance.utterance_id: utterance for utterance in self.utterances}

    @cached_property
    def digest(self) -> str:
        """Identity of the content, the same on every machine: all columns but the path."""
        rows = [{**asdict(u), "audio_path": None} for u in self.utterances]
        return digest(rows)

    @property
    def hours(self) -> float:
        """Hours of readable audio."""
        return float(np.nansum([utterance.duration for utterance in self.utterances])) / 3600

    def subset(self, limit: int | None, seed: int = 0) -> "Manifest":
        """At most `limit` utterances, spread evenly over speakers, chosen by `seed`; all for None."""
        if limit is None or limit >= len(self):
            return self
        rng = np.random.default_rng(seed)
        turns: dict[str, int] = {}
        ranked: list[tuple[int, int, Utterance]] = []
        for index in rng.permutation(len(self)):
            speaker = self.utterances[index].speaker_id
            turns[speaker] = turns.get(speaker, 0) + 1
            ranked.append((turns[speaker], len(ranked), self.utterances[index]))
        return Manifest(utterance for _, _, utterance in sorted(ranked, key=lambda r: r[:2])[:limit])

    def save(self, path: Path) -> None:
        """Write Parquet; audio paths below the file's own folder are stored relative to it."""
        frame = pd.DataFrame([asdict(utterance) for utterance in self.utterances], columns=COLUMNS)
        base = os.path.abspath(path.parent) + os.sep  # noqa: PTH100
        frame["audio_path"] = [os.path.abspath(p).removeprefix(base) for p in frame["audio_path"]]  # noqa: PTH100
        frame.to_parquet(path, index=False)

    @classmethod
    def load(cls, path: Path) -> "Manifest":
        """Read what `save` wrote; relative audio paths are taken from the file's folder."""
        frame = pd.read_parquet(path).astype(object)
        frame = frame.where(frame.notna(), None)
        rows = frame.to_dict("records")
        for row in rows:
            row["audio_path"] = str(path.parent / row["audio_path"])
            row["duration"] = float("nan") if row["duration"] is None else float(row["duration"])
        return cls(Utterance(**row) for row in rows)
