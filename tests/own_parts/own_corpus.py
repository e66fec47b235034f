"""Spoken commands with a split of its own: the shortest recordings of test."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmark.data.corpora.synthetic import Synthetic
from benchmark.data.manifest import Manifest

SHORTEST = "shortest"


@dataclass(kw_only=True)
class Commands(Synthetic):
    """The embedded corpus; `shortest` holds `short_utterances` recordings of test."""

    short_utterances: int = 4

    def identity(self, split: str) -> dict[str, Any]:
        if split != SHORTEST:
            return super().identity(split)
        return super().identity("test") | {"split": SHORTEST, "utterances": self.short_utterances}

    def expected(self, split: str) -> tuple[int, float] | None:
        return (
            (self.short_utterances, self.short_utterances / 1200)
            if split == SHORTEST
            else super().expected(split)
        )

    def build(self, split: str, folder: Path) -> Manifest:
        if split != SHORTEST:
            return super().build(split, folder)
        spoken = sorted(super().build("test", folder), key=lambda utterance: utterance.duration)
        return Manifest(spoken[: self.short_utterances])
