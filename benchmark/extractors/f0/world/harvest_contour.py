"""The F0 contour that Harvest (Morise 2017) makes of its candidates: the last steps of WORLD's."""

from bisect import bisect_left
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from scipy.signal import butter, lfilter

AGREEMENT = 0.05
"""Relative distance of a candidate to one of a neighbouring frame, above which it is dropped."""
JUMP = 0.008
"""Relative change within a millisecond, above which a voice breaks off."""
SHORTEST = 6
"""Frames between the ends of a section, below which it is dropped before sections grow."""
EXTENSION = 100
"""Frames by which a voiced section may grow to either side."""
EXTENSION_RANGE = 0.18
"""Relative distance of candidates of one voice."""
MISSES = 4
"""Frames without such a candidate, after which a section ends."""
CYCLES = 2200.0
"""Frames of 1 ms times Hz, up to which a grown section is dropped: a bit more than two periods."""
LONGEST_GAP = 9
"""Frames between sections, below which they are joined."""
SETTLED = 300
"""Frames after which the smoothing filter has forgotten."""

Section = tuple[int, int]
"""First and last frame."""


def contour(candidates: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """F0 in Hz (frames,), 0 where unvoiced, of candidates in Hz and scores, both (frames, n).

    Both are 0 where there is none; what is near to no other is set to 0 too.
    """
    if not candidates.shape[1]:
        return np.zeros(len(candidates))
    known = _drop_lonely(candidates, scores)
    f0 = np.take_along_axis(candidates, scores.argmax(1)[:, None], 1)[:, 0]
    f0 = _without_jumps(f0)
    for first, last in _voiced(f0):
        if last - first < SHORTEST:
            f0[first : last + 1] = 0
    return _smooth(_bridged(_extended(f0, candidates, scores, known)))


@dataclass(frozen=True)
class Known:
    """Candidates without repetitions.

    Attributes:
        f0: In Hz, ascending within a frame.
        bounds: Where a frame begins, one more than frames.
    """

    f0: list[float]
    bounds: list[int]

    def nearest(self, frame: int, f0: float) -> float:
        """The candidate of a frame next to an F0, 0 where none lies near."""
        begin, end = self.bounds[frame], self.bounds[frame + 1]
        place = bisect_left(self.f0, f0, begin, end)
        best, error = 0.0, EXTENSION_RANGE
        for value in self.f0[max(place - 1, begin) : min(place + 1, end)]:
            if (distance := abs(f0 - value) / f0) <= error:
                best, error = value, distance
        return best


def _drop_lonely(candidates: np.ndarray, scores: np.ndarray) -> Known:
    """Sets to 0 what is near to no candidate of the frame before or after; the first and last frame stay.

    Returns: those that are left.
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


def _without_jumps(f0: np.ndarray) -> np.ndarray:
    """0 where F0 follows neither its value nor its slope; the first two frames are 0."""
    steady = np.zeros_like(f0)
    before, now = f0[1:-1], f0[2:]
    expected = 2 * before - f0[:-2]
    with np.errstate(divide="ignore", invalid="ignore"):
        jumps = (np.abs((now - expected) / expected) > JUMP) & (np.abs(now - before) / before > JUMP)
    steady[2:] = np.where(jumps, 0, now)
    return steady


def _voiced(f0: np.ndarray) -> list[Section]:
    """Sections of voice, of which the first and last frame of all are no part."""
    voiced = f0 > 0
    voiced[0] = voiced[-1] = False
    edges = np.flatnonzero(voiced[1:] != voiced[:-1])
    return list(zip((edges[::2] + 1).tolist(), edges[1::2].tolist(), strict=True))


def _extended(f0: np.ndarray, candidates: np.ndarray, scores: np.ndarray, known: Known) -> np.ndarray:
    """Lets voiced sections grow along the candidates, and joins those that are long enough."""
    channels: list[np.ndarray] = []
    sections: list[Section] = []
    mean = 0.0
    for first, last in _voiced(f0):
        channel = np.zeros_like(f0)
        channel[first : last + 1] = f0[first : last + 1]
        last = _grow(channel, last, min(len(f0) - 2, last + EXTENSION), 1, known)
        first = _grow(channel, first, max(1, first - EXTENSION), -1, known)
        # As in WORLD, the mean of the section before is part of the sum.
        mean = (mean + channel[first:last].sum()) / (last - first)
        if CYCLES / mean < last - first:
            channels.append(channel)
            sections.append((first, last))
    return _merged(channels, sections, candidates, scores) if channels else f0


def _grow(channel: np.ndarray, origin: int, end: int, step: int, known: Known) -> int:
    """Extends a section by one frame after another until none follows; returns its new border."""
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


def _merged(
    channels: list[np.ndarray], sections: list[Section], candidates: np.ndarray, scores: np.ndarray
) -> np.ndarray:
    """One contour; where sections overlap, the one with the better scores counts."""
    borders = [list(section) for section in sections]
    order = _order([first for first, _ in sections])
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


def _order(firsts: list[int]) -> list[int]:
    """WORLD's sorting: an insertion that stays where it stands, hence not always in order."""
    order = list(range(len(firsts)))
    for i in range(1, len(order)):
        for j in range(i - 1, -1, -1):
            if firsts[order[j]] <= firsts[order[i]]:
                break
            order[i], order[j] = order[j], order[i]
    return order


def _score(f0: np.ndarray, candidates: np.ndarray, scores: np.ndarray, frames: slice) -> float:
    """Sum over frames of the best score of a candidate that is F0."""
    return float(np.where(candidates[frames] == f0[frames, None], scores[frames], 0).max(1).sum())


def _bridged(f0: np.ndarray) -> np.ndarray:
    """Short gaps filled by a line, whose ends WORLD moves by 1 Hz."""
    bridged, sections = f0.copy(), _voiced(f0)
    for (_, last), (first, _) in pairwise(sections):
        distance = first - last - 1
        if distance < LONGEST_GAP:
            begin, end = f0[last] + 1, f0[first] - 1
            bridged[last + 1 : first] = begin + (end - begin) / (distance + 1) * np.arange(1, distance + 1)
    return bridged


def _smooth(f0: np.ndarray) -> np.ndarray:
    """Each section filtered forth and back, its ends held."""
    b, a = butter(2, 0.06)
    smoothed = np.zeros_like(f0)
    for first, last in _voiced(np.pad(f0, 1)):
        section = np.pad(f0[first - 1 : last], SETTLED, mode="edge")
        both = lfilter(b, a, lfilter(b, a, section)[::-1])[::-1]
        smoothed[first - 1 : last] = both[SETTLED:-SETTLED]
    return smoothed
