"""The second step of Harvest: candidates of F0 are refined by the instantaneous frequency of harmonics."""

from dataclasses import dataclass
from functools import cache
from itertools import pairwise

import numpy as np

from benchmark.extractors.f0.world.harvest_bands import RATE

HOP = RATE // 1000
"""Samples from one frame to the next."""
HARMONICS = np.arange(1, 7)[:, None]
PERIODS = 1.5
"""Periods of a candidate to either side of the middle of its window."""
LEAST_SCORE = 2.5
TINY = 1e-12


def refine(signal: np.ndarray, candidates: np.ndarray, floor: float, ceiling: float) -> np.ndarray:
    """Refine candidates in place by the frequency of their harmonics; 0 replaces them where these disagree.

    Args:
        signal: float64 (T,) at 8 kHz.
        candidates: Candidates in Hz (frames, n), 0 for none; modified in place.
        floor: Lowest F0 in Hz.
        ceiling: Highest F0 in Hz.

    Returns:
        Scores (frames, n), which rise with the agreement of the harmonics; 0 for no candidate.
    """
    scores = np.zeros_like(candidates)
    where = np.flatnonzero(candidates)
    if not len(where):
        return scores
    halves = (PERIODS * RATE / candidates.flat[where] + 1).astype(np.int64)
    frames = where // candidates.shape[1]
    keys = halves * len(candidates) + frames
    order = np.argsort(keys)
    where, halves, frames, keys = where[order], halves[order], frames[order], keys[order]
    f0 = candidates.flat[where]
    new = np.ones(len(keys), bool)
    np.not_equal(keys[1:], keys[:-1], out=new[1:])
    places = np.cumsum(new) - 1
    longest = int(halves[-1])
    padded = np.pad(signal, longest + 1, mode="edge")
    bounds = [0, *(np.flatnonzero(np.diff(halves)) + 1).tolist(), len(halves)]
    refined, agreement = np.empty(len(f0)), np.empty(len(f0))
    for first, last in pairwise(bounds):
        group = slice(first, last)
        half = int(halves[first])
        window = _make_window(half)
        # Each spectrum is computed once for all candidates that share its frame and window.
        begins = frames[group][new[group]] * HOP + longest - half
        pieces = np.lib.stride_tricks.sliding_window_view(padded, 2 * half + 1)[begins]
        refined[group], agreement[group] = window.measure(pieces, f0[group], places[group] - places[first])
    good = (refined >= floor) & (refined <= ceiling) & (agreement >= LEAST_SCORE)
    candidates.flat[where] = np.where(good, refined, 0)
    scores.flat[where] = np.where(good, agreement, 0)
    return scores


@dataclass(frozen=True)
class Window:
    """A Blackman window, with the quantities that all candidates with this window share.

    Attributes:
        size: Length of the transform in samples.
        bins: Bins of the transform that the harmonics may fall on, one harmonic after another: (bins, 1).
        shifts: Offsets from the bin of a harmonic to its index in `bins`: (harmonics, 1).
        matrix: Matrix from samples to the real and imaginary parts of their spectrum, first under the window
            and then under its derivative: (4 · bins, length).
    """

    size: int
    bins: np.ndarray
    shifts: np.ndarray
    matrix: np.ndarray

    def measure(
        self, pieces: np.ndarray, f0: np.ndarray, places: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the refined F0 and the score of each candidate, (n,) each.

        Args:
            pieces: Samples (m, length).
            f0: Candidates in Hz (n,).
            places: Index of the piece of each candidate (n,).
        """
        parts = (self.matrix @ pieces.T).reshape(4, len(self.bins), len(pieces))
        real, imaginary, slope_real, slope_imaginary = parts
        power = real * real + imaginary * imaginary
        silent = power == 0
        turn = (real * slope_imaginary - imaginary * slope_real) / (power + silent)
        rates = np.where(silent, 0, self.bins * (RATE / self.size) + turn * (RATE / 2 / np.pi))
        nearest = (f0 * self.size / RATE * HARMONICS + 0.5).astype(np.int64)
        at = (np.minimum(nearest, self.size // 2) + self.shifts) * len(pieces) + places
        counted = HARMONICS * f0 <= RATE / 2
        amplitude, rate = np.sqrt(power).take(at) * counted, rates.take(at)
        refined = (amplitude * rate).sum(0) / ((amplitude * HARMONICS).sum(0) + TINY)
        error = (np.abs((rate / HARMONICS - f0) / f0) * counted).sum(0) / counted.sum(0)
        return refined, 1 / (error + TINY)


@cache
def _make_window(half: int) -> Window:
    """Build the window of candidates whose 1.5 periods plus one sample contain `half` whole samples."""
    length = 2 * half + 1
    size = 2 ** (int(np.log2(length)) + 2)
    lowest, highest = (
        np.minimum(PERIODS * size / samples * HARMONICS[:, 0] + 0.5 + margin, size // 2).astype(int)
        for samples, margin in ((half, -1e-6), (max(half - 1, 1), 1e-6))
    )
    counts = highest - lowest + 1
    bins = np.concatenate([np.arange(a, b + 1) for a, b in zip(lowest, highest, strict=True)])
    shifts = np.cumsum(counts) - counts - lowest
    n = np.arange(length) - half - 1
    turn = 2 * np.pi / length * n
    window = 0.42 + 0.5 * np.cos(turn) + 0.08 * np.cos(2 * turn)
    slope = np.convolve(window, (-0.5, 0, 0.5), mode="same")
    angles = 2 * np.pi / size * (bins[:, None] * n % size)
    waves = np.stack((np.cos(angles), -np.sin(angles)))
    matrix = np.stack((waves * window, waves * slope)).reshape(-1, length)
    return Window(size, bins[:, None], shifts[:, None], matrix)
