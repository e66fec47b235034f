"""Toy metrics that need no speech and imitate failures of real ones."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import numpy as np

from benchmark.data.audio import AudioError
from benchmark.extractors.base import Batch, Extractor, ModelExtractor, Side, SignalExtractor, Value
from benchmark.metrics.base import Metric, MetricUndefined, Score
from benchmark.metrics.signal_pair import Pair


def note(folder: str, what: str) -> None:
    """Append a line that any process can count later."""
    with (Path(folder) / "calls").open("a") as file:
        file.write(what + "\n")


def calls(folder: str | Path, what: str) -> int:
    path = Path(folder) / "calls"
    return path.read_text().splitlines().count(what) if path.exists() else 0


@dataclass(frozen=True, kw_only=True)
class Peak(SignalExtractor):
    """Extractor of the loudest sample."""

    kind: ClassVar[str] = "peaks"
    log: str = ""

    def extract(self, wav: np.ndarray) -> np.ndarray:
        if self.log:
            note(self.log, f"peak {round(float(wav.max()), 2)}")
        if wav.max() <= 0:
            raise ValueError("no peak")
        return wav.max(keepdims=True)[None]


@dataclass(frozen=True, kw_only=True)
class PeakRatio(Metric):
    """Ratio of the decoded peak to the original peak."""

    higher_is_better: ClassVar[bool | None] = True
    label: str = "Peak ratio"
    peak: Peak = field(default_factory=Peak)
    log: str = ""

    @property
    def definition(self) -> str:
        return "peak of the decoded signal per peak of the original"

    def needs(self) -> Iterator[tuple[Side, Extractor]]:
        yield "reference", self.peak

    def score(self, pair: Pair) -> float:
        if self.log:
            note(self.log, f"score {pair.utterance_id}")
        return float(pair.value("decoded", self.peak)[0, 0] / pair.value("reference", self.peak)[0, 0])


@dataclass(frozen=True, kw_only=True)
class Spelling(ModelExtractor):
    """Model that transcribes a clip as its number of samples, one digit per word."""

    kind: ClassVar[str] = "transcripts"
    dtype: ClassVar[str] = "uint8"
    log: str = ""

    def load(self, device: str) -> Batch:
        def work(wavs: Sequence[np.ndarray]) -> list[Value | AudioError]:
            if self.log:
                note(self.log, f"batch of {len(wavs)}")
            return [AudioError("nothing heard") if not w.any() else " ".join(str(len(w))) for w in wavs]

        return work


@dataclass(frozen=True, kw_only=True)
class Heard(Metric):
    """Share of the text's words that were heard, weighted by their number."""

    unit: ClassVar[str] = "%"
    higher_is_better: ClassVar[bool | None] = True
    label: str = "Heard"
    ear: Spelling = field(default_factory=Spelling)
    against: Side = "decoded"

    @property
    def definition(self) -> str:
        return "share of the words"

    def needs(self) -> Iterator[tuple[Side, Extractor]]:
        yield self.against, self.ear

    def score(self, pair: Pair) -> Score:
        if not pair.text:
            raise MetricUndefined("no text")
        heard = str(pair.value(self.against, self.ear))
        words = pair.text.split()
        return Score(100 * sum(word in heard.split() for word in words) / len(words), len(words), heard)


@dataclass(frozen=True, kw_only=True)
class Killer(Metric):
    """Metric that kills its process if the decoded signal is loud."""

    higher_is_better: ClassVar[bool | None] = None
    label: str = "Killer"

    @property
    def definition(self) -> str:
        return "none"

    def score(self, pair: Pair) -> float:
        if pair.decoded.max() > 0.9:
            os.kill(os.getpid(), 9)
        return float(pair.decoded.max())
