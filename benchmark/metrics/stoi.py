"""Short-time objective intelligibility, with the original's part split off so that it can be cached."""

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
from benchmark.metrics.framing import align_audible, extract_original, frames
from benchmark.metrics.signal_pair import ALIGNMENTS, Alignment, Pair
from benchmark.types import SAMPLE_RATE

RATE = 10_000
"""Hz at which STOI is defined."""
UP, DOWN = 5, 8
"""Ratio of `RATE` to the signals' 16 kHz."""
BLOCK = 40
"""Samples at `RATE` that the resampler computes at a time."""
FRAME, HOP, N_FFT = 256, 128, 512
BANDS, LOWEST = 15, 150
"""Number of third-octave bands, and the centre of the first in Hz."""
SEGMENT = 30
"""Frames compared at a time, 384 ms."""
RANGE = 40
"""Decibels below the loudest frame of the original at which a frame counts as silent."""
CLIP = 1 + 10 ** (15 / 20)
"""Ratio to the original at which the decoded band is clipped: a signal-to-distortion ratio of -15 dB."""
TINY = np.finfo(float).eps

RESAMPLERS = {"octave": "resampled as Octave does", "scipy": "resampled by SciPy's default filter"}


@dataclass(frozen=True, kw_only=True)
class StoiBands(SignalExtractor):
    """Third-octave bands of an original without its silent frames, and the frames that are not silent.

    The value has one row per frame. Column 0 is 1 for frames that are not silent. The first rows of the other
    columns hold the bands of the signal without silence, one frame fewer than were kept.

    Attributes:
        resampler: Key of `RESAMPLERS`: the resampler to 10 kHz.
        lead: Samples by which the frames that decide on silence precede the frames that are kept.
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
        """Resample to float64 samples at 10 kHz."""
        if self.resampler == "scipy":
            return resample_poly(samples, RATE, SAMPLE_RATE)
        return _resampled(samples)

    @staticmethod
    def bands(samples: np.ndarray, kept: np.ndarray) -> np.ndarray:
        """Compute third-octave amplitudes (frames, 15) of a signal at 10 kHz, from its frames `kept` only."""
        joined = _overlap_add(_frames(samples)[kept] * _window())
        power = np.square(np.abs(rfft(_frames(joined) * _window(), N_FFT, axis=1)))
        return np.sqrt(power @ _third_octaves())


@dataclass(frozen=True, kw_only=True)
class Stoi(Metric):
    """STOI (Taal et al. 2011) or ESTOI (Jensen and Taal 2016), at most 1, as computed by pystoi.

    There is no value for digital silence on either side, or if fewer than 30 frames (0.4 s) remain without
    the silent ones. A constant band, for which pystoi correlates random noise that it adds, counts as 0.

    Attributes:
        extended: Whether to compute ESTOI.
        resampler: See `StoiBands`.
        lead: See `StoiBands`.
        alignment: Key of `ALIGNMENTS`.
    """

    family: ClassVar[str] = "quality"

    higher_is_better: ClassVar[bool | None] = True
    least: ClassVar[float] = -1.0
    most: ClassVar[float] = 1.0

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
        """Extractor of the original's bands."""
        return StoiBands(resampler=self.resampler, lead=self.lead)

    def needs(self) -> Iterator[tuple[Side, Extractor]]:
        """See `Metric.needs`."""
        yield "reference", self.extractor

    def score(self, pair: Pair) -> float:
        """See `Metric.score`."""
        _, decoded = align_audible(pair, self.alignment)
        value = np.asarray(extract_original(pair, self.extractor, self.alignment), np.float64)
        kept = value[:, 0] > 0
        count = int(kept.sum()) - 1
        if count < SEGMENT:
            raise MetricUndefined(f"fewer than {SEGMENT} frames are not silent")
        found = self.extractor.bands(self.extractor.resample(np.asarray(decoded, np.float64)), kept)
        # Shapes: (segments, bands, frames).
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
    """Subtract the mean along an axis and scale to norm one; constant parts become zero."""
    centred = part - part.mean(axis, keepdims=True)
    return centred / (np.linalg.norm(centred, axis=axis, keepdims=True) + TINY)


def _frames(samples: np.ndarray) -> np.ndarray:
    """Return the frames that end before the last sample, as in the published code."""
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
    """Resample from 16 to 10 kHz as Octave does.

    The matrix product takes a fifth of the time of SciPy's resample_poly.
    """
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
    """Return the matrix from samples at 16 kHz to `BLOCK` samples at 10 kHz.

    Also return the number of input samples before the first output sample.
    """
    taps = UP * _octave_filter()
    half = len(taps) // 2
    before = -(-half // UP)
    rows = np.arange(-before, (DOWN * (BLOCK - 1) + half) // UP + 1)[:, None]
    places = DOWN * np.arange(BLOCK) - UP * rows + half
    inside = (places >= 0) & (places < len(taps))
    return np.where(inside, taps[np.where(inside, places, 0)], 0), before


def _octave_filter() -> np.ndarray:
    """Compute the filter of Octave's resample from 16 to 10 kHz: a Kaiser-windowed sinc, 60 dB deep."""
    rejection, cutoff = 60.0, 1 / 16  # cycles per sample at the common rate of 80 kHz
    half = np.ceil((rejection - 8) / (28.714 * cutoff / 10))
    times = np.arange(-half, half + 1)
    taps = np.kaiser(len(times), 0.1102 * (rejection - 8.7)) * np.sinc(2 * cutoff * times)
    return taps / taps.sum()
