"""Mel-cepstral distortion of WORLD's spectral envelopes."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import ClassVar, Literal

import numpy as np
from scipy.fft import irfft
from scipy.signal import lfilter
from scipy.spatial.distance import cdist

from benchmark.errors import unknown
from benchmark.extractors.base import Extractor, Side
from benchmark.extractors.f0.extractors import F0, Dio, Pitched, pyworld
from benchmark.metrics.base import Metric, MetricUndefined
from benchmark.metrics.dtw import warp
from benchmark.metrics.framing import align_audible
from benchmark.metrics.signal_pair import ALIGNMENTS, Alignment, Pair
from benchmark.types import SAMPLE_RATE

FULL_SCALE = np.iinfo(np.int16).max
"""Scale of the samples: WORLD adds noise against silence at a level meant for 16-bit samples."""


@dataclass(frozen=True, kw_only=True)
class MelCepstrum(Pitched):
    """F0 in Hz, level in dB of the clip's mean power, and mel-cepstrum c0 … c_order: (frames, 3 + order).

    The envelope is CheapTrick's (Morise 2015). The cepstrum of its logarithm is warped by an all-pass filter
    (Tokuda et al. 1994). F0 is part of the value because the envelope needs it and Harvest takes most of the
    time: pitch and cepstral metrics that use this extractor share one pass.

    Attributes:
        pitch: Extractor of F0. The envelope is computed from the signal as this extractor prepares it.
        order: Index of the last coefficient.
        alpha: Warping factor; 0.42 approximates the mel scale at 16 kHz.
        fft_size: FFT size of the envelope in samples.
    """

    kind: ClassVar[str] = "cepstra"

    pitch: F0 = field(default_factory=lambda: Dio(frame_period=5.0))
    order: int = 39
    alpha: float = 0.42
    fft_size: int = 1024

    @property
    def width(self) -> int:  # type: ignore[override]
        """Number of values per frame."""
        return 3 + self.order

    @property
    def words(self) -> str:
        """The F0 method, as worded in definitions."""
        return self.pitch.words

    def extract(self, wav: np.ndarray) -> np.ndarray:
        """See `SignalExtractor.extract`."""
        samples = self.pitch.prepare(np.asarray(wav, np.float64) * FULL_SCALE)
        f0 = self.pitch.track(samples)
        times = np.arange(len(f0)) * (self.pitch.frame_period / 1000)
        power = pyworld.cheaptrick(samples, f0, times, SAMPLE_RATE, fft_size=self.fft_size)
        cepstra = np.log(power) @ warped_cepstrum(self.fft_size, self.order, self.alpha)
        total = 2 * power.sum(1) - power[:, 0] - power[:, -1]
        level = 10 * np.log10(total / total.mean())
        return np.column_stack((f0, level, cepstra))


@lru_cache
def warped_cepstrum(fft_size: int, order: int, alpha: float) -> np.ndarray:
    """Compute the matrix that maps a log power spectrum to the mel-cepstrum of the amplitude.

    The map is linear, and equals sp2mc of SPTK and pysptk.

    Returns: (fft_size // 2 + 1, order + 1).
    """
    bins = fft_size // 2 + 1
    cepstrum = irfft(np.eye(bins), axis=1)[:, :bins]
    cepstrum[:, 0] /= 2
    # The warping turns quefrency m into the impulse response of m cascaded all-pass filters.
    responses = np.zeros((bins, order + 1))
    responses[0, 0] = 1
    for m in range(1, bins):
        responses[m] = lfilter((alpha, 1), (1, alpha), responses[m - 1])
    return cepstrum @ responses


SPEECH_RANGE = 20.0
"""Decibels below a clip's mean power at which a frame no longer counts as speech."""
FRAMES = {
    "all": "on all frames",
    "speech": f"on frames that lie less than {SPEECH_RANGE:g} dB below the original's mean power",
}
WARPED = {
    "all": "on all frames, time-warped",
    "speech": f"on frames less than {SPEECH_RANGE:g} dB below each signal's mean power, time-warped",
}


@dataclass(frozen=True, kw_only=True)
class MelCepstralDistortion(Metric):
    """MCD in dB (Kubichek 1993): 10 / ln 10 · √(2 Σ d²) of two mel-cepstra, mean over frames.

    Attributes:
        cepstrum: Extractor of the mel-cepstra.
        c0: Whether c0, the coefficient of the level, counts.
        frames: Frames that count: "all" or "speech".
        warping: Whether frames are matched by dynamic time warping of the cepstra instead of by their number.
        alignment: Alignment of the signals, see `ALIGNMENTS`.
    """

    family: ClassVar[str] = "spectrum"
    unit: ClassVar[str] = "dB"
    least: ClassVar[float] = 0.0
    higher_is_better: ClassVar[bool | None] = False
    decimals: ClassVar[int] = 2

    label: str = "MCD"
    cepstrum: MelCepstrum = field(default_factory=MelCepstrum)
    c0: bool = False
    frames: Literal["all", "speech"] = "speech"
    warping: bool = False
    alignment: Alignment = "delay"

    def __post_init__(self) -> None:
        if self.frames not in FRAMES:
            raise unknown("frames", self.frames, FRAMES)

    @property
    def definition(self) -> str:
        """See `Metric.definition`."""
        made = self.cepstrum
        return (
            f"10 / ln 10 · √(2 Σ d²) of mel-cepstra {'0' if self.c0 else '1'}–{made.order}, "
            f"α {made.alpha:g}, of the CheapTrick envelope (FFT {made.fft_size}, F0 by {made.words}), "
            f"{(WARPED if self.warping else FRAMES)[self.frames]}, mean over files, "
            f"{ALIGNMENTS[self.alignment]}"
        )

    def needs(self) -> Iterator[tuple[Side, Extractor]]:
        """See `Metric.needs`."""
        yield "reference", self.cepstrum

    def score(self, pair: Pair) -> float:
        """See `Metric.score`."""
        align_audible(pair, self.alignment)
        sides: tuple[Side, Side] = "reference", "decoded"
        values = [np.asarray(pair.value(side, self.cepstrum, self.alignment), np.float64) for side in sides]
        expected, found = (value[:, (2 if self.c0 else 3) :] for value in values)
        speech = [(value[:, 1] > -SPEECH_RANGE) | (self.frames == "all") for value in values]
        if self.warping:
            expected, found = expected[speech[0]], found[speech[1]]
            if not len(expected) or not len(found):
                raise MetricUndefined("no frame of speech")
            path = warp(cdist(expected, found))
            expected, found = expected[path[0]], found[path[1]]
        else:
            count = min(len(expected), len(found))
            chosen = speech[0][:count]
            expected, found = expected[:count][chosen], found[:count][chosen]
            if not len(expected):
                raise MetricUndefined("no frame of speech")
        distances = np.sqrt(2 * np.square(expected - found).sum(1))
        return float(10 / np.log(10) * distances.mean())
