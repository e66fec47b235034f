"""A metric of decoded speech, one of a probe's answers, and one of codes."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
from own_extractor import Loudness

from benchmark.extractors.base import Extractor, Side
from benchmark.metrics.answers import Answer, AnswerMetric
from benchmark.metrics.base import Metric
from benchmark.metrics.codes.code_metrics import CodeMetric, Codes
from benchmark.metrics.signal_pair import Pair


@dataclass(frozen=True, kw_only=True)
class LoudnessDistance(Metric):
    """How far the loudness of decoded speech is from the original's."""

    family: ClassVar[str] = "loudness"
    unit: ClassVar[str] = "dB"
    higher_is_better: ClassVar[bool | None] = False
    decimals: ClassVar[int] = 1

    label: str = "Loudness distance"
    extractor: Loudness = field(default_factory=Loudness)

    @property
    def definition(self) -> str:
        return f"mean distance of loudness in 10 ms, not below {self.extractor.floor:g} dB, mean over files"

    def needs(self) -> Iterator[tuple[Side, Extractor]]:
        yield "reference", self.extractor

    def score(self, pair: Pair) -> float:
        first, second = (np.ravel(pair.value(side, self.extractor)) for side in ("reference", "decoded"))
        frames = min(len(first), len(second))
        return float(np.abs(first[:frames] - second[:frames]).mean())


@dataclass(frozen=True, kw_only=True)
class FirstWord(AnswerMetric):
    """How often a probe reads the first word."""

    higher_is_better: ClassVar[bool | None] = True

    most: ClassVar[float] = 100.0

    label: str = "First word"

    @property
    def definition(self) -> str:
        return "share of utterances whose first word is read, of any case"

    def count(self, answer: Answer) -> tuple[float, float]:
        first = answer.reference.lower().split()[:1]
        return float(answer.given.lower().split()[:1] == first), 1.0


@dataclass(frozen=True, kw_only=True)
class PeakShare(CodeMetric):
    """How much of the tokens the most frequent code is."""

    unit: ClassVar[str] = "%"
    decimals: ClassVar[int] = 1

    most: ClassVar[float] = 100.0

    label: str = "Peak share"

    @property
    def definition(self) -> str:
        return "tokens that are the most frequent code of their codebook, mean over codebooks"

    def score(self, codes: Codes) -> float:
        return 100 * float(np.mean([counts.max() / counts.sum() for counts in codes.usage.counts]))
