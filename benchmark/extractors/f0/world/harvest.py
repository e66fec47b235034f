"""WORLD's Harvest (Morise 2017) in array operations, with the F0 of `pyworld.harvest` in a fifth of its time.

The signal at 8 kHz passes band-pass filters, whose zero crossings and extrema give candidates of F0 for every
millisecond (`harvest_bands`). Each candidate is refined by the instantaneous frequency of its first harmonics
(`harvest_refinement`), and the candidates are reduced to one contour (`harvest_contour`). WORLD computes each
filter and each candidate anew. Here filters and windows are cached, and work that candidates share is done
once.
"""

import numpy as np
from scipy.signal import cheby1, lfilter

from benchmark.extractors.f0.world.harvest_bands import RATE, raw_candidates
from benchmark.extractors.f0.world.harvest_contour import contour
from benchmark.extractors.f0.world.harvest_refinement import refine
from benchmark.types import SAMPLE_RATE

DECIMATION = SAMPLE_RATE // RATE
LAG = 140
"""Samples by which both ends of the signal are extended by their value before filtering."""
MIRRORED = 9
"""Samples by which the extended signal is then mirrored at both ends, as in MATLAB."""
REACH = 3
"""Frames of 1 ms to either side that a candidate is copied to."""


def harvest(samples: np.ndarray, floor: float, ceiling: float, frame_period: float) -> np.ndarray:
    """Return F0 in Hz (frames,), 0 where unvoiced, equal to `pyworld.harvest` except for rounding.

    If a decision depends on the last bit, as the choice of the window does for clicks at exactly 100 Hz, F0
    may differ by one part in a million.

    Args:
        samples: float64 (T,) at 16 kHz, at least one.
        floor: Lowest F0 in Hz.
        ceiling: Highest F0 in Hz.
        frame_period: Milliseconds between frames.
    """
    count = 1000 * len(samples) // SAMPLE_RATE + 1
    signal = _decimate(samples)
    candidates = _spread(raw_candidates(signal, count, floor, ceiling))
    scores = refine(signal, candidates, floor, ceiling)
    f0 = contour(candidates, scores)
    times = np.arange(int(1000 * len(samples) / SAMPLE_RATE / frame_period) + 1) * frame_period / 1000
    return f0[np.minimum((times * 1000 + 0.5).astype(np.int64), count - 1)]


def _decimate(samples: np.ndarray) -> np.ndarray:
    """Return the signal at 8 kHz without its mean, T / 2 samples rounded up."""
    held = np.pad(samples, LAG, mode="edge")
    padded = np.pad(held, MIRRORED, mode="reflect", reflect_type="odd")
    b, a = cheby1(3, 0.05, 0.8 / DECIMATION)
    filtered = lfilter(b, a, lfilter(b, a, padded)[::-1])[::-1]
    # The samples are counted from the last one, as in MATLAB's decimate.
    first = (len(held) - 1) % DECIMATION + DECIMATION * (LAG // DECIMATION)
    signal = filtered[MIRRORED + first :: DECIMATION][: -(-len(samples) // DECIMATION)]
    return signal - signal.mean()


def _spread(candidates: np.ndarray) -> np.ndarray:
    """Copy candidates (frames, n) to the frames around theirs, giving (frames, 7 n)."""
    spread = np.zeros((len(candidates), 2 * REACH + 1, candidates.shape[1]))
    spread[:, 0] = candidates
    for i in range(1, REACH + 1):
        spread[i:, i] = candidates[:-i]
        spread[:-i, i + REACH] = candidates[i:]
    return spread.reshape(len(candidates), -1)
