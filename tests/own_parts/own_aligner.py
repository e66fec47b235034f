"""Phones without any knowledge: every recording is silence, speech and silence."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from benchmark.data.corpora.base import Corpus
from benchmark.extractors.phones.aligner import Aligner
from benchmark.extractors.phones.segments import SILENCE, Phones, join_spans
from benchmark.storage.artifacts import ArtifactStore


@dataclass(kw_only=True)
class Edges(Aligner):
    """Speech begins and ends after `share` of a recording."""

    share: float = 0.2

    @property
    def source(self) -> str:
        return f"speech but for {self.share:.0%} at either end"

    def align(
        self, corpus: Corpus, split: str, store: ArtifactStore, device: str
    ) -> Iterator[tuple[str, Phones]] | None:
        return (
            (
                utterance.utterance_id,
                join_spans(
                    [SILENCE, "speech", SILENCE],
                    utterance.duration * np.array([self.share, 1 - self.share, 1]),
                ),
            )
            for utterance in corpus.manifest(split, store)
        )
