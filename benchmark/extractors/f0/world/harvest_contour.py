"""The last steps of Harvest (Morise 2017), from candidates of F0 to one contour, as in WORLD."""

from bisect import bisect_left
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from scipy.signal import butter, lfilter

AGREEMENT = 0.05
"""Largest relative distance of a candidate from the nearest one in a neighbouring frame."""
JUMP = 0.008
"""Largest relative change of F0 within a millisecond of continuous voicing."""
SHORTEST = 6
"""Smallest distance in frames between the ends of a section; shorter ones are dropped before growing."""
EXTENSION = 100
"""Largest number of frames by which a voiced section may grow to either side."""
EXTENSION_RANGE = 0.18
"""Largest relative distance between F0 and a candidate that continues its section."""
MISSES = 4
"""Frames in a row without such a candidate after which a section ends."""
CYCLES = 2200.0
"""Threshold on frames of 1 ms times Hz up to which a grown section is dropped; slightly over two periods."""
LONGEST_GAP = 9
"""Number of frames between sections below which they are joined."""
SETTLED = 300
"""Frames after which the smoothing filter has settled."""

Section = tuple[int, int]
"""First and last frame of a voiced section."""


def contour(candidates: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Return the F0 contour in Hz (frames,), 0 where unvoiced.

    Args:
        candidates: Candidates in Hz (frames, n), 0 for none. Those without a near candidate in a neighbouring
            frame are set to 0 in place.
        scores: Their scores (frames, n), 0 for no candidate, changed likewise.
    """
    if not candidates.shape[1]:
        return np.zeros(len(candidates))
    known = _drop_lonely(candidates, scores)
    f0 = np.take_along_axis(candidates, scores.argmax(1)[:, None], 1)[:, 0]
    f0 = _drop_jumps(f0)
    for first, last in _find_voiced(f0):
        if last - first < SHORTEST:
            f0[first : last + 1] = 0
    return _smooth(_bridge(_extend(f0, candidates, scores, known)))


@dataclass(frozen=True)
class Known:
    """The distinct candidates of all frames.

    Attributes:
        f0: Candidates in Hz, frame by frame, ascending within a frame.
        bounds: Index in `f0` at which each frame begins, and the length of `f0`: frames + 1 numbers.
    """

    f0: list[float]
    bounds: list[int]

    def nearest(self, frame: int, f0: float) -> float:
        """Return the candidate of a frame that is nearest to an F0, 0 if none is within range."""
        begin, end = self.bounds[frame], self.bounds[frame + 1]
        place = bisect_left(self.f0, f0, begin, end)
        best, error = 0.0, EXTENSION_RANGE
        for value in self.f0[max(place - 1, begin) : min(place + 1, end)]:
            if (distance := abs(f0 - value) / f0) <= error:
                best, error = value, distance
        return best


def _drop_lonely(candidates: np.ndarray, scores: np.ndarray) -> Known:
    """Set candidates to 0 that are near to none in the previous or next frame, and return the others.

    The candidates of the first and last frame are kept.
    """
    count = len(candidates)
    ordered = np.sort(candidates, axis=1)
    first = ordered > 0
    first[:, 1:] &= ordered[:, 1:] != ordered[:, :-1]
    frames, f0 = np.nonzero(first)[0], ordered[first]
    scale = 2 * f0.max(initial=1)
    keys = frames * scale + f0
    near = (frames == 0) | (frames == count - 1)
    for other in (-1, 1):
        after = np.searchsorted(keys, keys + other * scale)
        for place in (np.maximum(after - 1, 0), np.minimum(after, len(keys) - 1)):
            near |= (frames[place] == frames + other) & (np.abs(f0 - f0[place]) / f0 <= AGREEMENT)
    lonely = np.flatnonzero(~near)
    rows, columns = np.nonzero(candidates[frames[lonely]] == f0[lonely, None])
    rows = frames[lonely][rows]
    candidates[rows, columns] = scores[rows, columns] = 0
    bounds = np.searchsorted(frames[near], np.arange(count + 1))
    return Known(f0[near].tolist(), bounds.tolist())


def _drop_jumps(f0: np.ndarray) -> np.ndarray:
    """Return F0 with 0 where it continues neither its value nor its slope, and in the first two frames."""
    steady = np.zeros_like(f0)
    before, now = f0[1:-1], f0[2:]
    expected = 2 * before - f0[:-2]
    with np.errstate(divide="ignore", invalid="ignore"):
        jumps = (np.abs((now - expected) / expected) > JUMP) & (np.abs(now - before) / before > JUMP)
    steady[2:] = np.where(jumps, 0, now)
    return steady


def _find_voiced(f0: np.ndarray) -> list[Section]:
    """Return the voiced sections, which never include the first or last frame of the signal."""
    voiced = f0 > 0
    voiced[0] = voiced[-1] = False
    edges = np.flatnonzero(voiced[1:] != voiced[:-1])
    return list(zip((edges[::2] + 1).tolist(), edges[1::2].tolist(), strict=True))


def _extend(f0: np.ndarray, candidates: np.ndarray, scores: np.ndarray, known: Known) -> np.ndarray:
    """Extend voiced sections along the candidates, and join those that are long enough."""
    channels: list[np.ndarray] = []
    sections: list[Section] = []
    mean = 0.0
    for first, last in _find_voiced(f0):
        channel = np.zeros_like(f0)
        channel[first : last + 1] = f0[first : last + 1]
        last = _grow(channel, last, min(len(f0) - 2, last + EXTENSION), 1, known)
        first = _grow(channel, first, max(1, first - EXTENSION), -1, known)
        # As in WORLD, the sum includes the mean of the previous section.
        mean = (mean + channel[first:last].sum()) / (last - first)
        if CYCLES / mean < last - first:
            channels.append(channel)
            sections.append((first, last))
    return _merge(channels, sections, candidates, scores) if channels else f0


def _grow(channel: np.ndarray, origin: int, end: int, step: int, known: Known) -> int:
    """Extend a section frame by frame until no candidate follows, and return its new border."""
    f0, border, misses = float(channel[origin]), origin, 0
    for frame in range(origin + step, end + 2 * step, step):
        value = channel[frame] = known.nearest(frame, f0)
        if value:
            f0, border, misses = value, frame, 0
        else:
            misses += 1
        if misses == MISSES:
            break
    return border


def _merge(
    channels: list[np.ndarray], sections: list[Section], candidates: np.ndarray, scores: np.ndarray
) -> np.ndarray:
    """Merge sections to one contour; where sections overlap, the one with the better score counts."""
    borders = [list(section) for section in sections]
    order = _sort([first for first, _ in sections])
    merged = channels[0].copy()
    held = borders[0]
    for i in order[1:]:
        (first, last), channel = borders[i], channels[i]
        if first > held[1]:
            merged[first : last + 1] = channel[first : last + 1]
            held[:] = first, last
        elif held[0] > first or held[1] < last:
            shared = slice(first, held[1] + 1)
            known = _score(merged, candidates, scores, shared) > _score(channel, candidates, scores, shared)
            kept = slice(held[1] if known else first, last + 1)
            merged[kept] = channel[kept]
            held[1] = last
    return merged


def _sort(firsts: list[int]) -> list[int]:
    """Return the order of sections by WORLD's sorting, an insertion sort that is not always correct.

    After an exchange, the comparison still uses position i, which then holds another element.
    """
    order = list(range(len(firsts)))
    for i in range(1, len(order)):
        for j in range(i - 1, -1, -1):
            if firsts[order[j]] <= firsts[order[i]]:
                break
            order[i], order[j] = order[j], order[i]
    return order


def _score(f0: np.ndarray, candidates: np.ndarray, scores: np.ndarray, frames: slice) -> float:
    """Return the sum over frames of the best score among the candidates equal to F0."""
    return float(np.where(candidates[frames] == f0[frames, None], scores[frames], 0).max(1).sum())


def _bridge(f0: np.ndarray) -> np.ndarray:
    """Fill short gaps by a line whose ends, as in WORLD, are off by 1 Hz."""
    bridged, sections = f0.copy(), _find_voiced(f0)
    for (_, last), (first, _) in pairwise(sections):
        distance = first - last - 1
        if distance < LONGEST_GAP:
            begin, end = f0[last] + 1, f0[first] - 1
            bridged[last + 1 : first] = begin + (end - begin) / (distance + 1) * np.arange(1, distance + 1)
    return bridged


def _smooth(f0: np.ndarray) -> np.ndarray:
    """Filter each section forwards and backwards, with its end values held beyond the section."""
    b, a = butter(2, 0.06)
    smoothed = np.zeros_like(f0)
    for first, last in _find_voiced(np.pad(f0, 1)):
        section = np.pad(f0[first - 1 : last], SETTLED, mode="edge")
        both = lfilter(b, a, lfilter(b, a, section)[::-1])[::-1]
        smoothed[first - 1 : last] = both[SETTLED:-SETTLED]
    return smoothed
