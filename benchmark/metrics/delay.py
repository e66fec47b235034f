"""Estimation and removal of the delay of a codec or vocoder, in samples, before scoring."""

import numpy as np
from scipy.fft import irfft, next_fast_len, rfft
from scipy.signal import oaconvolve

from benchmark.types import SAMPLE_RATE

MAX_DELAY = SAMPLE_RATE // 10
"""Samples searched on either side. Frames and look-ahead of speech codecs stay below 100 ms. A wider window
would only add chances to lock on a wrong pitch period or syllable."""
AS_GOOD = 0.95
"""Peaks of at least this share of the highest peak count as equal to it. In real speech the second peak stays
below one half."""
SAME_PHASE = 0.5
"""Correlation of two waveforms below which their phases are unrelated. Speech decoded by Opus at 7 kbit/s
reaches 0.4 to 0.95 with its original, speech with generated phases at most 0.35."""
SAME_COURSE = 0.8
"""Correlation of two energy envelopes below which the utterances differ."""
ENVELOPE_WINDOW = SAMPLE_RATE // 40
"""Samples of the smoothing window of the energy envelope, 25 ms."""


def estimate_delay(reference: np.ndarray, degraded: np.ndarray, max_delay: int = MAX_DELAY) -> int:
    """Estimate by how many samples `degraded` lags `reference`; negative where `degraded` leads.

    The highest peak of the normalised cross-correlation, of either polarity, gives the delay to the sample.
    A vocoder that generates its own phases leaves no such peak. The log energy envelopes are correlated
    instead, which gives the delay to about a millisecond. Where several peaks have about the same height, as
    in sustained tones, the one nearest zero counts. Signals without a common peak have delay 0.

    Args:
        reference: Float (T,) at 16 kHz.
        degraded: Float (T',), of nearly the same length.
        max_delay: Largest delay considered, in samples.
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
    """Shift a signal back by `delay` samples, and cut it or pad it with zeros to `length`."""
    moved = degraded[delay:] if delay >= 0 else np.pad(degraded, (-delay, 0))
    moved = moved[:length]
    return np.pad(moved, (0, length - len(moved)))


def _correlate(reference: np.ndarray, degraded: np.ndarray, max_delay: int) -> np.ndarray:
    """Compute the absolute normalised cross-correlation at lags -max_delay … max_delay; 0 for silence."""
    first, second = (np.asarray(signal, dtype=np.float64) for signal in (reference, degraded))
    scale = np.sqrt((first @ first) * (second @ second))
    if not scale > 0:
        return np.zeros(2 * max_delay + 1)
    size = next_fast_len(max(len(first), len(second)) + max_delay, real=True)
    product = irfft(rfft(second, size) * np.conj(rfft(first, size)), size)
    return np.abs(product[np.arange(-max_delay, max_delay + 1)]) / scale


def _envelope(wav: np.ndarray) -> np.ndarray:
    """Compute the log of the smoothed energy, limited to 40 dB below its maximum, minus its mean."""
    window = np.hanning(ENVELOPE_WINDOW)
    energy = oaconvolve(np.square(wav, dtype=np.float64), window / window.sum(), mode="same")
    level = np.log(energy + 1e-4 * energy.max() + np.finfo(float).tiny)
    return level - level.mean()
