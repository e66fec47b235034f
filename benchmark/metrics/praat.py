"""Pitch by Praat, and Codec-SUPERB's correlation of pitch contours."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from benchmark.extractors.base import Extractor, Side
from benchmark.extractors.f0.extractors import Pitched, checked
from benchmark.extractors.libraries import require
from benchmark.metrics.base import Metric, MetricUndefined
from benchmark.metrics.dtw import warp
from benchmark.metrics.f0_tracks import pearson
from benchmark.metrics.framing import align_audible, extract_original
from benchmark.metrics.signal_pair import ALIGNMENTS, Alignment, Pair
from benchmark.types import SAMPLE_RATE


@dataclass(frozen=True, kw_only=True)
class Praat(Pitched):
    """Praat's autocorrelation method (Boersma 1993): (frames, 1).

    Attributes:
        floor: Lowest F0 in Hz.
        ceiling: Highest F0 in Hz.
        hop_length: Samples between frames.
        voicing: Strength at which a candidate counts as voiced.
        assumed_sample_rate: Sample rate in Hz that Praat is told. If it is not 16 kHz, all frequencies and
            times here, including those of the value, are off by that factor.
    """

    library: ClassVar[str] = "parselmouth"
    extra: ClassVar[str] = "praat"

    dtype: ClassVar[str] = "float64"  # a warping path can depend on the last digit

    floor: float = 50.0
    ceiling: float = 1100.0
    hop_length: int = 256
    voicing: float = 0.6
    assumed_sample_rate: int = SAMPLE_RATE

    @property
    def words(self) -> str:
        """The extractor, as worded in definitions."""
        wrong = self.assumed_sample_rate != SAMPLE_RATE
        taken = f", 16 kHz taken for {self.assumed_sample_rate} Hz" if wrong else ""
        return (
            f"Praat autocorrelation, {self.floor:g}–{self.ceiling:g} Hz, hop {self.hop_length}, voicing "
            f"{self.voicing:g}{taken}"
        )

    def extract(self, wav: np.ndarray) -> np.ndarray:
        """See `SignalExtractor.extract`.

        Raises:
            UserError: parselmouth is not installed.
            ValueError: the clip is too short for the lowest F0.
        """
        require("parselmouth", "praat")
        import parselmouth

        sound = parselmouth.Sound(checked(wav), self.assumed_sample_rate)
        try:
            pitch = sound.to_pitch_ac(
                time_step=self.hop_length / self.assumed_sample_rate,
                voicing_threshold=self.voicing,
                pitch_floor=self.floor,
                pitch_ceiling=self.ceiling,
            )
        except parselmouth.PraatError as error:
            raise ValueError(str(error).splitlines()[0]) from error
        return pitch.selected_array["frequency"][:, None]


@dataclass(frozen=True, kw_only=True)
class ContourCorrelation(Metric):
    """Pearson correlation of two pitch contours in cents, time-warped: the F0Corr of Codec-SUPERB.

    Unvoiced frames are dropped from each track, and the track's median in cents is subtracted. The two tracks
    are then matched by dynamic time warping. The correlation is therefore insensitive to a wrong register and
    to most timing errors.

    Attributes:
        extractor: Extractor of the tracks.
        alignment: Alignment of the signals, see `ALIGNMENTS`.
    """

    family: ClassVar[str] = "pitch"

    higher_is_better: ClassVar[bool | None] = True
    least: ClassVar[float] = -1.0
    most: ClassVar[float] = 1.0

    label: str = "F0 contour corr"
    extractor: Pitched = field(default_factory=Praat)
    alignment: Alignment = "delay"

    @property
    def definition(self) -> str:
        """See `Metric.definition`."""
        return (
            "Pearson correlation of voiced F0 in cents from the median, unvoiced frames dropped, matched by "
            f"dynamic time warping, {self.extractor.words}, mean over files, {ALIGNMENTS[self.alignment]}"
        )

    def needs(self) -> Iterator[tuple[Side, Extractor]]:
        """See `Metric.needs`."""
        yield "reference", self.extractor

    def score(self, pair: Pair) -> float:
        """See `Metric.score`."""
        align_audible(pair, self.alignment)
        original = extract_original(pair, self.extractor, self.alignment)
        decoded = np.asarray(pair.value("decoded", self.extractor, self.alignment))
        expected, found = (_cents(track[:, 0].astype(np.float64)) for track in (original, decoded))
        rows, columns = warp(np.abs(expected[:, None] - found))
        return pearson(expected[rows], found[columns], min_frames=2)


def _cents(track: np.ndarray) -> np.ndarray:
    """Return the voiced frames in cents from their median.

    Raises: MetricUndefined for fewer than two voiced frames.
    """
    voiced = track[track > 0]
    if len(voiced) < 2:
        raise MetricUndefined("less than two frames are voiced")
    cents = 1200 * np.log2(voiced / 440)
    return cents - np.median(cents)
