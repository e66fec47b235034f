"""WORLD's DIO (Morise et al. 2009) in array operations: the F0 of `pyworld.dio` in a quarter of its time.

The signal passes low-pass filters, whose zero crossings and extrema give one candidate of F0 per band and
frame (`dio_bands`). The candidates are then reduced to one contour. WORLD filters by transforms of the whole
signal and computes each filter anew. Here the signal is filtered in pieces, and filters are cached.
"""

from collections.abc import Sequence

import numpy as np

from benchmark.extractors.f0.world.dio_bands import candidates
from benchmark.types import SAMPLE_RATE

ALLOWED = 0.1
"""Largest relative change of F0 from one frame to the next of continuous voicing."""
TINY = 1e-12


def dio(samples: np.ndarray, floor: float, ceiling: float, frame_period: float) -> np.ndarray:
    """Return F0 in Hz (frames,), 0 where unvoiced, equal to `pyworld.dio` except for rounding.

    In single frames of speech the difference may be 5e-8 of F0, as much as pyworld's own F0 changes with the
    last bit of the samples. If a signal has faded to 1e-15 of its level, F0 results from rounding alone.

    Args:
        samples: float64 (T,) at 16 kHz, at least one.
        floor: Lowest F0 in Hz.
        ceiling: Highest F0 in Hz.
        frame_period: Milliseconds between frames.
    """
    times = np.arange(int(1000 * len(samples) / SAMPLE_RATE / frame_period) + 1) * frame_period / 1000
    # Number of frames in two periods of the floor; as many at both ends are unvoiced.
    margin = int(0.5 + 1000 / frame_period / floor) * 2 + 1
    if len(times) <= margin:
        return np.zeros(len(times))
    found, scores = candidates(samples, times, floor, ceiling)
    best = found[scores.argmin(0), np.arange(len(times))]
    return _extend(_erode(_drop_jumps(best, margin), margin // 2), found)


def _drop_jumps(best: np.ndarray, margin: int) -> np.ndarray:
    """Return F0 with 0 where it does not continue the frame before, and at both ends."""
    inner, steady = np.zeros_like(best), np.zeros_like(best)
    inner[margin:-margin] = best[margin:-margin]
    before, now = inner[:-1], inner[1:]
    steady[1:] = np.where(np.abs(now - before) / (now + TINY) < ALLOWED, now, 0)
    return steady


def _erode(f0: np.ndarray, reach: int) -> np.ndarray:
    """Return F0 with 0 also in the frames around unvoiced ones."""
    kept = np.zeros_like(f0)
    voiced = np.lib.stride_tricks.sliding_window_view(f0, 2 * reach + 1).all(1)
    kept[reach : len(f0) - reach] = np.where(voiced, f0[reach : len(f0) - reach], 0)
    return kept


def _extend(f0: np.ndarray, candidates: np.ndarray) -> np.ndarray:
    """Extend voiced sections along the candidates (bands, frames), first all forwards, then all backwards."""
    edges = np.flatnonzero((f0[1:] > 0) != (f0[:-1] > 0))
    if not len(edges):
        return f0
    firsts, lasts = (edges[::2] + 1).tolist(), edges[1::2].tolist()
    track, frames = f0.tolist(), candidates.T.tolist()
    for last, end in zip(lasts, [*lasts[1:], len(f0) - 1], strict=True):
        _grow(track, frames, last, end, 1)
    for first, end in zip(firsts[::-1], [*firsts[-2::-1], 1], strict=True):
        _grow(track, frames, first, end, -1)
    return np.array(track)


def _grow(track: list[float], frames: Sequence[Sequence[float]], origin: int, end: int, step: int) -> None:
    """Set frame after frame to the candidate that continues the last two, until no candidate does."""
    for frame in range(origin, end, step):
        expected = (3 * track[frame] - track[frame - step]) / 2
        track[frame + step] = _find_nearest(frames[frame + step], expected)
        if not track[frame + step]:
            break


def _find_nearest(candidates: Sequence[float], f0: float) -> float:
    """Return the candidate nearest to an F0, 0 if none is within range."""
    best = min(candidates, key=lambda candidate: abs(candidate - f0))
    return best if f0 and abs(1 - best / f0) <= ALLOWED else 0.0
