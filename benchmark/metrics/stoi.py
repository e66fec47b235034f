"""Short-time objective intelligibility, with the part of the original taken out so that it can be kept."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar, Literal

import numpy as np
import pystoi.utils
from numpy.lib.stride_tricks import sliding_window_view
from scipy.fft import rfft
from scipy.signal import resample_poly

from benchmark.errors import unknown
from benchmark.extractors.base import Extractor, Side, SignalExtractor
from benchmark.extractors.f0.extractors import checked
from benchmark.metrics.base import Metric, MetricUndefined
from benchmark.metrics.framing import frames, of_original, sound
from benchmark.metrics.signal_pair import ALIGNMENTS, Alignment, Pair
from benchmark.types import SAMPLE_RATE

RATE = 10_000
"""Hz at which STOI is defined."""
UP, DOWN = 5, 8
"""Its ratio to our rate."""
BLOCK = 40
"""Samples at that rate that are made at a time."""
FRAME, HOP, N_FFT = 256, 128, 512
BANDS, LOWEST = 15, 150
"""Third-octave bands, and the centre of the first in Hz."""
SEGMENT = 30
"""Frames that are compared at a time, 384 ms."""
RANGE = 40
"""Decibels below the loudest frame of the original from which a frame is silent."""
CLIP = 1 + 10 ** (15 / 20)
"""Share of the original's band that the decoded one may reach: a distortion of -15 dB."""
TINY = np.finfo(float).eps

RESAMPLERS = {"octave": "resampled as Octave does", "scipy": "resampled by SciPy's default filter"}


@dataclass(frozen=True, kw_only=True)
class StoiBands(SignalExtractor):
    """Which frames of an original are not silent, and its third-octave bands without the silent ones.

    Of N frames: column 0 is 1 for one that is not silent, the others hold the bands of a spectrogram of the
    signal without silence in their first rows; it has one frame less than were kept.

    Attributes:
        resampler: Key of `RESAMPLERS`, on the way to 10 kHz.
        lead: Samples by which the frames that decide on silence lie before those that are kept.
    """

    kind: ClassVar[str] = "bands"
    width: ClassVar[int] = 1 + BANDS

    resampler: Literal["octave", "scipy"] = "octave"
    lead: int = 0

    def extract(self, wav: np.ndarray) -> np.ndarray:
        """See `SignalExtractor.extract`."""
        samples = self.resample(checked(wav))
        window = _window()
        loud = np.linalg.norm(_frames(np.roll(samples, self.lead)) * window, axis=1)
        level = 20 * np.log10(loud + TINY)
        kept = level > np.max(level, initial=-np.inf) - RANGE
        bands = self.bands(samples, kept)
        value = np.zeros((len(kept), self.width))
        value[:, 0] = kept
        value[: len(bands), 1:] = bands
        return value

    def resample(self, samples: np.ndarray) -> np.ndarray:
        """Float64 samples at 10 kHz."""
        if self.resampler == "scipy":
            return resample_poly(samples, RATE, SAMPLE_RATE)
        return _resampled(samples)

    @staticmethod
    def bands(samples: np.ndarray, kept: np.ndarray) -> np.ndarray:
        """Amplitude (frames, 15) in third octaves of a signal at 10 kHz, only its frames `kept`."""
        joined = _overlap_add(_frames(samples)[kept] * _window())
        power = np.square(np.abs(rfft(_frames(joined) * _window(), N_FFT, axis=1)))
        return np.sqrt(power @ _third_octaves())


@dataclass(frozen=True, kw_only=True)
class Stoi(Metric):
    """STOI (Taal et al. 2011) or ESTOI (Jensen and Taal 2016), at most 1, as pystoi has them.

    It has no value for digital silence on either side, and where fewer than 30 frames (0.4 s) remain without
    the silent ones. Where a band is constant, of which pystoi correlates noise of its own, it counts as 0.

    Attributes:
        extended: Whether it is ESTOI.
        resampler: See `StoiBands`.
        lead: See `StoiBands`.
        alignment: See `ALIGNMENTS`.
    """

    family: ClassVar[str] = "quality"

    higher_is_better: ClassVar[bool | None] = True

    label: str = "STOI"
    extended: bool = False
    resampler: Literal["octave", "scipy"] = "octave"
    lead: int = 0
    alignment: Alignment = "delay"

    def __post_init__(self) -> None:
        if self.resampler not in RESAMPLERS:
            raise unknown("resampler", self.resampler, RESAMPLERS)

    @property
    def definition(self) -> str:
        """See `Metric.definition`."""
        lead = f", silence judged {self.lead} sample earlier" if self.lead else ""
        return (
            f"{'' if self.extended else 'not '}extended, {RESAMPLERS[self.resampler]}{lead}, "
            f"mean over files, {ALIGNMENTS[self.alignment]}"
        )

    @property
    def extractor(self) -> StoiBands:
        """Of the original."""
        return StoiBands(resampler=self.resampler, lead=self.lead)

    def needs(self) -> Iterator[tuple[Side, Extractor]]:
        """See `Metric.needs`."""
        yield "reference", self.extractor

    def score(self, pair: Pair) -> float:
        """See `Metric.score`."""
        _, decoded = sound(pair, self.alignment)
        value = np.asarray(of_original(pair, self.extractor, self.alignment), np.float64)
        kept = value[:, 0] > 0
        count = int(kept.sum()) - 1
        if count < SEGMENT:
            raise MetricUndefined(f"fewer than {SEGMENT} frames are not silent")
        found = self.extractor.bands(self.extractor.resample(np.asarray(decoded, np.float64)), kept)
        # (segments, bands, frames)
        first, second = (
            sliding_window_view(bands, SEGMENT, axis=0) for bands in (value[:count, 1:], found[:count])
        )
        return _extended(first, second) if self.extended else _plain(first, second)


def _plain(original: np.ndarray, decoded: np.ndarray) -> float:
    gain = np.linalg.norm(original, axis=2) / (np.linalg.norm(decoded, axis=2) + TINY)
    clipped = np.minimum(decoded * gain[:, :, None], CLIP * original)
    first, second = (_centred(part, axis=2) for part in (original, clipped))
    return float(np.einsum("sbf,sbf->sb", first, second).mean())


def _extended(original: np.ndarray, decoded: np.ndarray) -> float:
    first, second = (_centred(_centred(part, axis=2), axis=1) for part in (original, decoded))
    return float(np.einsum("sbf,sbf->sf", first, second).mean())


def _centred(part: np.ndarray, axis: int) -> np.ndarray:
    """Without its mean and of norm one along an axis; zero where it is constant."""
    centred = part - part.mean(axis, keepdims=True)
    return centred / (np.linalg.norm(centred, axis=axis, keepdims=True) + TINY)


def _frames(samples: np.ndarray) -> np.ndarray:
    """Frames that end before the last sample, as in the published code."""
    return frames(samples[:-1], FRAME, HOP)


def _overlap_add(parts: np.ndarray) -> np.ndarray:
    if not len(parts):
        return np.zeros(0)
    joined = np.zeros((len(parts) + 1, HOP))
    joined[:-1] += parts[:, :HOP]
    joined[1:] += parts[:, HOP:]
    return joined.ravel()


@lru_cache
def _window() -> np.ndarray:
    return np.hanning(FRAME + 2)[1:-1]


@lru_cache
def _third_octaves() -> np.ndarray:
    return pystoi.utils.thirdoct(RATE, N_FFT, BANDS, LOWEST)[0].T


def _resampled(samples: np.ndarray) -> np.ndarray:
    """As Octave's resample from 16 to 10 kHz; a product of matrices takes a fifth of resample_poly's time."""
    matrix, before = _octave_matrix()
    count = -(-len(samples) * UP // DOWN)
    blocks = -(-count // BLOCK)
    step = BLOCK * DOWN // UP
    padded = np.zeros((blocks - 1) * step + len(matrix))
    part = samples[: len(padded) - before]
    padded[before : before + len(part)] = part
    return (sliding_window_view(padded, len(matrix))[::step] @ matrix).ravel()[:count]


@lru_cache
def _octave_matrix() -> tuple[np.ndarray, int]:
    """What makes `BLOCK` samples at 10 kHz of those at 16 kHz, and how many of these lie before the first."""
    taps = UP * _octave_filter()
    half = len(taps) // 2
    before = -(-half // UP)
    rows = np.arange(-before, (DOWN * (BLOCK - 1) + half) // UP + 1)[:, None]
    places = DOWN * np.arange(BLOCK) - UP * rows + half
    inside = (places >= 0) & (places < len(taps))
    return np.where(inside, taps[np.where(inside, places, 0)], 0), before


def _octave_filter() -> np.ndarray:
    """The filter of Octave's resample from 16 to 10 kHz: a sinc under a Kaiser window, 60 dB deep."""
    rejection, cutoff = 60.0, 1 / 16  # cycles per sample at the common rate of 80 kHz
    half = np.ceil((rejection - 8) / (28.714 * cutoff / 10))
    times = np.arange(-half, half + 1)
    taps = np.kaiser(len(times), 0.1102 * (rejection - 8.7)) * np.sinc(2 * cutoff * times)
    return taps / taps.sum()
