"""Helpers of waveform metrics: the aligned signals of a pair, and short-time spectra without torch."""

from functools import lru_cache

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from scipy.fft import rfft
from scipy.signal import get_window

from benchmark.extractors.base import SignalExtractor
from benchmark.metrics.base import DecodeFailure, MetricUndefined
from benchmark.metrics.signal_pair import Alignment, Pair
from benchmark.types import SAMPLE_RATE


def align_audible(pair: Pair, alignment: Alignment) -> tuple[np.ndarray, np.ndarray]:
    """Return original and decoded signal aligned to one length, neither of them silent.

    Raises:
        MetricUndefined: the original is empty or digital silence, for which no metric is defined.
        DecodeFailure: the decoded signal is.
        ValueError: a side has NaN or infinite samples.
    """
    reference, decoded = align_finite(pair, alignment)
    if not decoded.any():
        raise DecodeFailure("the decoded signal is digital silence")
    return reference, decoded


def align_finite(pair: Pair, alignment: Alignment) -> tuple[np.ndarray, np.ndarray]:
    """Return original and decoded signal aligned to one length, the original audible.

    Raises: See `align_audible`; the decoded signal may be digital silence.
    """
    if not len(pair.reference):
        raise MetricUndefined("the original is empty")
    if not len(pair.decoded):
        raise DecodeFailure("the decoded signal is empty")
    for side, wav in (("the original", pair.reference), ("the decoded signal", pair.decoded)):
        if not np.isfinite(wav).all():
            raise ValueError(f"NaN or infinite samples in {side}")
    reference, decoded = pair.aligned(alignment)
    if not reference.any():
        raise MetricUndefined("the original is digital silence")
    return reference, decoded


def extract_original(pair: Pair, extractor: SignalExtractor, alignment: Alignment) -> np.ndarray:
    """Extract the value of the original after alignment; the cached value where alignment cuts nothing off.

    Raises: AudioError or ValueError if the extractor has no value.
    """
    reference, _ = pair.aligned(alignment)
    if len(reference) == len(pair.reference):
        return np.asarray(pair.value("reference", extractor, alignment))
    return extractor.extract(reference)


def frames(wav: np.ndarray, size: int, hop: int) -> np.ndarray:
    """Return overlapping frames (frames, size) as a view; a clip shorter than a frame has none."""
    if len(wav) < size:
        return np.zeros((0, size), wav.dtype)
    return sliding_window_view(wav, size)[::hop]


def magnitudes(wav: np.ndarray, n_fft: int, hop: int, window: int) -> np.ndarray:
    """Compute the amplitude spectrum (frames, n_fft // 2 + 1), float32, frame t centred on sample t · hop.

    The window is a periodic Hann window in the middle of the FFT. The ends of the clip are reflected, or
    padded with zeros where the clip is too short to be reflected.
    """
    mode = "reflect" if len(wav) > n_fft // 2 else "constant"
    padded = np.pad(np.asarray(wav, np.float32), n_fft // 2, mode=mode)  # type: ignore[call-overload]
    return np.abs(rfft(frames(padded, n_fft, hop) * _hann(window, n_fft), axis=1))


@lru_cache
def _hann(window: int, n_fft: int) -> np.ndarray:
    left = (n_fft - window) // 2
    return np.pad(get_window("hann", window), (left, n_fft - window - left)).astype(np.float32)


@lru_cache
def mel_filterbank(n_fft: int, n_mels: int, f_min: float, f_max: float) -> np.ndarray:
    """Compute triangular filters (n_fft // 2 + 1, n_mels), float32, with Slaney's mel scale and equal areas.

    The scale (Slaney 1998, Auditory Toolbox) is linear up to 1 kHz, which is 15 mel, and logarithmic above,
    with 27 mel for a factor of 6.4. `benchmark.data.mel.LogMel` and librosa have the same scale.
    """
    edges = _hertz(np.linspace(_mel(np.array(f_min)), _mel(np.array(f_max)), n_mels + 2))
    bins = (np.arange(n_fft // 2 + 1) * SAMPLE_RATE / n_fft)[:, None]
    low, centre, high = edges[:-2], edges[1:-1], edges[2:]
    rising, falling = (bins - low) / (centre - low), (high - bins) / (high - centre)
    filters = np.maximum(0, np.minimum(rising, falling)) * (2 / (high - low))
    return filters.astype(np.float32)


LINEAR = 200 / 3
"""Hz per mel below 1 kHz."""
STEP = np.log(6.4) / 27
"""Natural logarithm of the ratio of two frequencies one mel apart, above 1 kHz."""


def _mel(hertz: np.ndarray) -> np.ndarray:
    return np.where(hertz < 1000, hertz / LINEAR, 15 + np.log(np.maximum(hertz, 1000) / 1000) / STEP)


def _hertz(mel: np.ndarray) -> np.ndarray:
    return np.where(mel < 15, mel * LINEAR, 1000 * np.exp(STEP * (mel - 15)))
