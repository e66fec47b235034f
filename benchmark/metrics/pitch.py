"""Pitch metrics on F0 tracks of a named extractor.

The extractor alone moves an F0 correlation by more than most codecs differ, so it is part of the definition of
every number made here.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from benchmark.metrics.base import Metric, Undefined
from benchmark.metrics.extractor import Extractor, Side
from benchmark.metrics.f0 import Dio, F0
from benchmark.metrics.pair import Alignment, Pair

GROSS_ERROR = 0.2
"""A voiced frame is grossly wrong when its F0 is off by more than this share of the reference's."""
MIN_VOICED_FRAMES = 10
"""Frames voiced in both below which a correlation says nothing."""


@dataclass(frozen=True, kw_only=True)
class PitchMetric(Metric):
    """Base of what compares two F0 tracks.

    Attributes:
        extractor: Makes the tracks.
        alignment: Of the signals, see `ALIGNMENTS`; the tracks are cut to the shorter.
    """

    extractor: F0 = field(default_factory=Dio)
    alignment: Alignment = "delay"

    def needs(self) -> Iterator[tuple[Side, Extractor]]:
        """See `Metric.needs`."""
        yield "reference", self.extractor

    def tracks(self, pair: Pair) -> tuple[np.ndarray, np.ndarray]:
        """F0 in Hz of the original and the decoded signal, float64 (frames,); 0 where unvoiced.

        Raises: Undefined where there is no frame.
        """
        reference, decoded = (
            np.asarray(pair.value(side, self.extractor, self.alignment), np.float64)[:, 0]
            for side in ("reference", "decoded")
        )
        frames = min(len(reference), len(decoded))
        if not frames:
            raise Undefined("no frame")
        return reference[:frames], decoded[:frames]


@dataclass(frozen=True, kw_only=True)
class GrossPitchError(PitchMetric):
    """GPE: share in percent of the frames voiced in both whose F0 is off by more than 20 %."""

    unit: ClassVar[str] = "%"
    higher_is_better: ClassVar[bool | None] = False
    decimals: ClassVar[int] = 1

    label: str = "GPE"
    threshold: float = GROSS_ERROR

    @property
    def definition(self) -> str:
        """See `Metric.definition`."""
        return (
            f"frames voiced in both whose F0 is off by more than {100 * self.threshold:g} %, "
            f"{self.extractor.words}, mean over files"
        )

    def score(self, pair: Pair) -> float:
        """See `Metric.score`."""
        expected, found = both_voiced(*self.tracks(pair))
        if not len(expected):
            raise Undefined("no frame voiced in both")
        return 100.0 * float((np.abs(found - expected) > self.threshold * expected).mean())


@dataclass(frozen=True, kw_only=True)
class VoicingDecisionError(PitchMetric):
    """VDE: share in percent of all frames that are voiced in one track and unvoiced in the other."""

    unit: ClassVar[str] = "%"
    higher_is_better: ClassVar[bool | None] = False
    decimals: ClassVar[int] = 1

    label: str = "VDE"

    @property
    def definition(self) -> str:
        """See `Metric.definition`."""
        return f"frames voiced in one signal and not in the other, {self.extractor.words}, mean over files"

    def score(self, pair: Pair) -> float:
        """See `Metric.score`."""
        reference, decoded = self.tracks(pair)
        return 100.0 * float(((reference > 0) != (decoded > 0)).mean())


@dataclass(frozen=True, kw_only=True)
class PitchCorrelation(PitchMetric):
    """P.Corr: Pearson correlation of F0 in Hz over the frames voiced in both tracks.

    Undefined for fewer than `MIN_VOICED_FRAMES` such frames, or where a track is constant on them.
    """

    higher_is_better: ClassVar[bool | None] = True

    label: str = "P.Corr"

    @property
    def definition(self) -> str:
        """See `Metric.definition`."""
        return (
            "Pearson correlation of the F0 of original and decoded speech on frames voiced in both, at least "
            f"{MIN_VOICED_FRAMES}, {self.extractor.words}, mean over files"
        )

    def score(self, pair: Pair) -> float:
        """See `Metric.score`."""
        expected, found = both_voiced(*self.tracks(pair))
        if len(expected) < MIN_VOICED_FRAMES or not np.ptp(expected) or not np.ptp(found):
            raise Undefined("too few frames voiced in both, or a constant pitch")
        return float(np.corrcoef(expected, found)[0, 1])


def both_voiced(reference: np.ndarray, decoded: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The frames of two equally long tracks that are voiced in both."""
    voiced = (reference > 0) & (decoded > 0)
    return reference[voiced], decoded[voiced]
