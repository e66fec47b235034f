"""Pitch metrics on F0 tracks of a named extractor.

The choice of extractor changes an F0 correlation more than most codecs differ. The extractor is therefore
part of every metric's definition.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import ClassVar, Literal

import numpy as np

from benchmark.errors import unknown
from benchmark.extractors.base import Extractor, Side
from benchmark.extractors.f0.extractors import Autocorrelation, Pitched
from benchmark.metrics.base import Metric, MetricUndefined, Score
from benchmark.metrics.f0_tracks import both_voiced, gross, pearson
from benchmark.metrics.framing import align_audible, align_finite
from benchmark.metrics.signal_pair import ALIGNMENTS, Alignment, Pair

GROSS_ERROR = 0.2
"""Share of the reference's F0 by which a voiced frame must be off to count as a gross error."""
MIN_VOICED_FRAMES = 10
"""Smallest number of frames for which a correlation is meaningful."""

FRAMES = {
    "voiced": "on frames voiced in both",
    "all": "on all frames, with 0 Hz where unvoiced",
}


@dataclass(frozen=True, kw_only=True)
class PitchMetric(Metric):
    """Base of the metrics that compare two F0 tracks.

    Attributes:
        extractor: Extractor of the tracks.
        alignment: Alignment of the signals, see `ALIGNMENTS`; the longer track is cut to the shorter.
        averaged: How the scores of files become one number, for the definition.
    """

    family: ClassVar[str] = "pitch"
    averaged: ClassVar[str] = "mean over files"

    extractor: Pitched = field(default_factory=Autocorrelation)
    alignment: Alignment = "delay"

    def needs(self) -> Iterator[tuple[Side, Extractor]]:
        """See `Metric.needs`."""
        yield "reference", self.extractor

    def tracks(self, pair: Pair, silence: bool = False) -> tuple[np.ndarray, np.ndarray]:
        """Return F0 in Hz of the original and the decoded signal, float64 (frames,) each; 0 where unvoiced.

        Args:
            pair: Original and decoded signal.
            silence: Whether decoded digital silence is accepted, as a signal without a voiced frame.

        Raises: See `align_audible`; MetricUndefined if there is no frame.
        """
        (align_finite if silence else align_audible)(pair, self.alignment)
        reference, decoded = (
            np.asarray(pair.value(side, self.extractor, self.alignment), np.float64)[:, 0]
            for side in ("reference", "decoded")
        )
        frames = min(len(reference), len(decoded))
        if not frames:
            raise MetricUndefined("no frame")
        return reference[:frames], decoded[:frames]

    @property
    def how(self) -> str:
        """Closing words of every definition."""
        return f"{self.extractor.words}, {self.averaged}, {ALIGNMENTS[self.alignment]}"


@dataclass(frozen=True, kw_only=True)
class GrossPitchError(PitchMetric):
    """GPE: percentage of frames voiced in both signals whose F0 is grossly wrong (Rabiner et al. 1976).

    Every frame counts alike, so a file with few voiced frames counts little. `VoicedOverlap` says how many
    frames there are.

    Attributes:
        threshold: Share of the original's F0 by which a frame must be off to count.
    """

    unit: ClassVar[str] = "%"
    least: ClassVar[float] = 0.0
    most: ClassVar[float] = 100.0
    higher_is_better: ClassVar[bool | None] = False
    decimals: ClassVar[int] = 1
    version: ClassVar[int] = 2
    averaged: ClassVar[str] = "Σ errors / Σ frames over files"

    label: str = "GPE"
    threshold: float = GROSS_ERROR

    @property
    def definition(self) -> str:
        """See `Metric.definition`."""
        return f"frames voiced in both whose F0 is off by more than {100 * self.threshold:g} %, {self.how}"

    def score(self, pair: Pair) -> Score:
        """See `Metric.score`."""
        expected, found = both_voiced(*self.tracks(pair))
        wrong = gross(expected, found, self.threshold)
        return Score(100.0 * float(wrong.mean()), weight=float(len(wrong)))


@dataclass(frozen=True, kw_only=True)
class VoicedOverlap(PitchMetric):
    """Percentage of the original's voiced frames that are voiced in the decoded signal as well.

    Metrics on frames voiced in both, such as GPE, say nothing about the other frames.
    """

    unit: ClassVar[str] = "%"
    higher_is_better: ClassVar[bool | None] = True
    decimals: ClassVar[int] = 1
    averaged: ClassVar[str] = "Σ frames / Σ frames over files"

    label: str = "Voiced in both"

    @property
    def definition(self) -> str:
        """See `Metric.definition`."""
        return f"the original's voiced frames that are voiced in the decoded signal as well, {self.how}"

    def score(self, pair: Pair) -> Score:
        """See `Metric.score`.

        Raises: MetricUndefined if no frame of the original is voiced.
        """
        reference, decoded = self.tracks(pair, silence=True)
        voiced = reference > 0
        if not voiced.any():
            raise MetricUndefined("no frame of the original is voiced")
        return Score(100.0 * float((decoded[voiced] > 0).mean()), weight=float(voiced.sum()))


@dataclass(frozen=True, kw_only=True)
class VoicingDecisionError(PitchMetric):
    """VDE: percentage of all frames that are voiced in one track and unvoiced in the other.

    See Nakatani et al. (2008).
    """

    unit: ClassVar[str] = "%"
    least: ClassVar[float] = 0.0
    most: ClassVar[float] = 100.0
    higher_is_better: ClassVar[bool | None] = False
    decimals: ClassVar[int] = 1
    version: ClassVar[int] = 2

    label: str = "VDE"

    @property
    def definition(self) -> str:
        """See `Metric.definition`."""
        return f"frames voiced in one signal and not in the other, {self.how}"

    def score(self, pair: Pair) -> float:
        """See `Metric.score`."""
        reference, decoded = self.tracks(pair, silence=True)
        return 100.0 * float(((reference > 0) != (decoded > 0)).mean())


@dataclass(frozen=True, kw_only=True)
class F0FrameError(PitchMetric):
    """FFE: percentage of all frames with a gross pitch error or a voicing error (Chu and Alwan 2009).

    It has a value also where the decoded signal has no voice at all, unlike GPE.

    Attributes:
        threshold: See `GrossPitchError`.
    """

    unit: ClassVar[str] = "%"
    least: ClassVar[float] = 0.0
    most: ClassVar[float] = 100.0
    higher_is_better: ClassVar[bool | None] = False
    decimals: ClassVar[int] = 1
    version: ClassVar[int] = 2

    label: str = "FFE"
    threshold: float = GROSS_ERROR

    @property
    def definition(self) -> str:
        """See `Metric.definition`."""
        return (
            "share of all frames that are voiced in one signal and not in the other, or voiced in both with "
            f"F0 off by more than {100 * self.threshold:g} %, {self.how}"
        )

    def score(self, pair: Pair) -> float:
        """See `Metric.score`."""
        reference, decoded = self.tracks(pair, silence=True)
        voicing = (reference > 0) != (decoded > 0)
        pitch = (reference > 0) & (decoded > 0) & gross(reference, decoded, self.threshold)
        return 100.0 * float((voicing | pitch).mean())


@dataclass(frozen=True, kw_only=True)
class _OnFrames(PitchMetric):
    """Base of pitch metrics with a choice of the frames that count.

    Attributes:
        frames: A key of `FRAMES`.
    """

    frames: Literal["voiced", "all"] = "voiced"

    def __post_init__(self) -> None:
        if self.frames not in FRAMES:
            raise unknown("frames", self.frames, FRAMES)

    def chosen(self, pair: Pair) -> tuple[np.ndarray, np.ndarray]:
        """Return the two tracks on the frames that count.

        Raises: MetricUndefined if there are no such frames, or no frame is voiced.
        """
        reference, decoded = self.tracks(pair)
        if self.frames == "voiced":
            return both_voiced(reference, decoded)
        if not (reference.any() and decoded.any()):
            raise MetricUndefined("no frame is voiced")
        return reference, decoded


@dataclass(frozen=True, kw_only=True)
class PitchRmse(_OnFrames):
    """Root mean square difference of two F0 tracks in Hz."""

    unit: ClassVar[str] = "Hz"
    least: ClassVar[float] = 0.0
    higher_is_better: ClassVar[bool | None] = False
    decimals: ClassVar[int] = 1

    label: str = "F0 RMSE"

    @property
    def definition(self) -> str:
        """See `Metric.definition`."""
        return f"root mean square difference of F0 {FRAMES[self.frames]}, {self.how}"

    def score(self, pair: Pair) -> float:
        """See `Metric.score`."""
        expected, found = self.chosen(pair)
        return float(np.sqrt(np.square(found - expected).mean()))


@dataclass(frozen=True, kw_only=True)
class PitchCorrelation(_OnFrames):
    """Pearson correlation of two F0 tracks in Hz.

    The correlation has no value for fewer than `min_frames` frames, and where a track is constant.

    Attributes:
        min_frames: Smallest number of frames on which the correlation is computed.
    """

    higher_is_better: ClassVar[bool | None] = True
    least: ClassVar[float] = -1.0
    most: ClassVar[float] = 1.0

    label: str = "F0 corr"
    min_frames: int = MIN_VOICED_FRAMES

    @property
    def definition(self) -> str:
        """See `Metric.definition`."""
        return (
            f"Pearson correlation of the F0 of original and decoded speech {FRAMES[self.frames]}, at least "
            f"{self.min_frames}, {self.how}"
        )

    def score(self, pair: Pair) -> float:
        """See `Metric.score`."""
        return pearson(*self.chosen(pair), min_frames=self.min_frames)
