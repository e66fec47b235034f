"""The delay of a codec or vocoder: found, reported in samples, and removed before scoring."""

import numpy as np
from scipy.fft import irfft, next_fast_len, rfft
from scipy.signal import oaconvolve

from benchmark.types import SAMPLE_RATE

MAX_DELAY = SAMPLE_RATE // 10
"""Samples searched on either side. Frames and look-ahead of speech codecs stay below 100 ms; a wider
window only adds chances to lock on a wrong pitch period or syllable."""
AS_GOOD = 0.95
"""Peaks of at least this share of the highest are as good as it; real speech stays below one half."""
SAME_PHASE = 0.5
"""Correlation of two waveforms below which their phases are unrelated. Speech decoded by Opus at
7 kbit/s has 0.4 to 0.95 with its original, speech with invented phases at most 0.35."""
SAME_COURSE = 0.8
"""Correlation of two energy envelopes below which they are not of the same utterance."""
ENVELOPE_WINDOW = SAMPLE_RATE // 40
"""Samples of the smoothing window of the energy envelope, 25 ms."""


def estimate_delay(reference: np.ndarray, degraded: np.ndarray, max_delay: int = MAX_DELAY) -> int:
    """Samples by which `degraded` lags `reference`; negative where it leads.

    The highest peak of the normalised cross-correlation, of either polarity, gives the delay to the
    sample. A vocoder that invents its phases leaves no such peak; then the log energy envelopes are
    correlated, which gives it to about a millisecond. Of several peaks that are about as high, as in
    sustained tones, the one nearest zero counts; signals without a common peak have no delay.

    Args:
        reference: Float (T,) at 16 kHz.
        degraded: Float (T',), of nearly the same length.
        max_delay: Largest delay that is considered.
    """
    correlation = _correlate(reference, degraded, max_delay)
    threshold = SAME_PHASE
    if correlation.max() < threshold:
        correlation = _correlate(_envelope(reference), _envelope(degraded), max_delay)
        threshold = SAME_COURSE
    inner = correlation[1:-1]
    peaks = (inner >= correlation[:-2]) & (inner > correlation[2:]) & (inner >= threshold)
    if not peaks.any():
        return 0
    candidates = np.flatnonzero(peaks & (inner >= AS_GOOD * inner[peaks].max())) + 1 - max_delay
    return int(candidates[np.argmin(np.abs(candidates))])


def remove_delay(degraded: np.ndarray, delay: int, length: int) -> np.ndarray:
    """The signal moved back by `delay` samples and cut, or padded with zeros, to `length`."""
    moved = degraded[delay:] if delay >= 0 else np.pad(degraded, (-delay, 0))
    moved = moved[:length]
    return np.pad(moved, (0, length - len(moved)))


def _correlate(reference: np.ndarray, degraded: np.ndarray, max_delay: int) -> np.ndarray:
    """Absolute normalised cross-correlation at lags -max_delay … max_delay; 0 for silence."""
    first, second = (np.asarray(signal, dtype=np.float64) for signal in (reference, degraded))
    scale = np.sqrt((first @ first) * (second @ second))
    if not scale > 0:
        return np.zeros(2 * max_delay + 1)
    size = next_fast_len(max(len(first), len(second)) + max_delay, real=True)
    product = irfft(rfft(second, size) * np.conj(rfft(first, size)), size)
    return np.abs(product[np.arange(-max_delay, max_delay + 1)]) / scale


def _envelope(wav: np.ndarray) -> np.ndarray:
    """Log of the smoothed energy, 40 dB deep, without its mean."""
    window = np.hanning(ENVELOPE_WINDOW)
    energy = oaconvolve(np.square(wav, dtype=np.float64), window / window.sum(), mode="same")
    level = np.log(energy + 1e-4 * energy.max() + np.finfo(float).tiny)
    return level - level.mean()
