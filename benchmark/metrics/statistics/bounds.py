"""Bounds of 95 % confidence for a number with a standard error, inside the range that the number can have.

The number comes from independent clusters, mostly speakers. Its standard error has few degrees of freedom, so
that Student's t replaces the normal law. Near an end of its range a number is skewed, and its bounds are not
symmetric: they are those of a count with the same relative error. The count is binomial between two ends
(Korn and Graubard 1998, Confidence Intervals for Proportions with Small Expected Number of Positive Counts),
and Poisson above one end (Fay and Feuer 1997, Confidence Intervals for Directly Standardized Rates).
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import betaincinv, gammaincinv
from scipy.stats import norm
from scipy.stats import t as student_t

CONFIDENCE = 0.95
TAIL = (1 - CONFIDENCE) / 2
VARIATION = 1.0
"""Assumed coefficient of variation of speakers' rates of a rare event that nobody shows."""
TINY = 1e-2
"""Count below which its bounds reach the ends: the inverse incomplete beta function fails there."""
ROUNDING = 1e-9
"""Share of a number by which rounding may move it."""


@dataclass(frozen=True)
class Range:
    """Values that a metric can take.

    Attributes:
        least: Smallest value.
        most: Largest value.
        event: Value of one event in every unit, such as 100 where every word is wrong; zero for a metric that
            counts no events.
    """

    least: float = -np.inf
    most: float = np.inf
    event: float = 0.0


@dataclass(frozen=True)
class Spread:
    """Uncertainty of a number, or of an array of numbers.

    Attributes:
        error: Standard error over clusters.
        clusters: Number of clusters, at least two.
        floor: Least distance of the bounds from the number.
        units: Number of units that events are counted in.
    """

    error: np.ndarray | float
    clusters: int
    floor: np.ndarray | float = 0.0
    units: np.ndarray | float = 0.0


def bounds(value: np.ndarray | float, spread: Spread, within: Range) -> tuple[np.ndarray, np.ndarray]:
    """Compute lower and upper bounds, in the shape of `value`.

    They are NaN for a number at an end of its range that counts no events, for one outside the range, and for
    a standard error that is NaN.
    """
    value = np.asarray(value, dtype=float)
    half = np.maximum(student_t.isf(TAIL, spread.clusters - 1) * spread.error, spread.floor)
    two_ends = np.isfinite(within.least) and np.isfinite(within.most)
    with np.errstate(divide="ignore", invalid="ignore"):
        if two_ends:
            lo, hi = _binomial(value, half, within)
        elif np.isfinite(within.least):
            lo, hi = _poisson(value, half, within.least)
        else:
            lo, hi = value - half, np.minimum(value + half, within.most)
    constant = half <= ROUNDING * np.maximum(np.abs(value), ROUNDING)
    lo, hi = np.where(constant, value, lo), np.where(constant, value, hi)
    lo, hi = _at_end(value, lo, hi, spread, within)
    slack = ROUNDING * np.maximum(1.0, np.abs(value))
    impossible = (value < within.least - slack) | (value > within.most + slack)
    return np.where(impossible, np.nan, lo), np.where(impossible, np.nan, hi)


def _binomial(value: np.ndarray, half: np.ndarray, within: Range) -> tuple[np.ndarray, np.ndarray]:
    """Return the Clopper-Pearson bounds of a count with the same share and the same variance."""
    span = within.most - within.least
    share = np.clip((value - within.least) / span, 0.0, 1.0)
    trials = share * (1 - share) * np.square(span * norm.isf(TAIL) / half)
    hits, misses = share * trials, (1 - share) * trials
    low = np.where(hits > TINY, betaincinv(np.maximum(hits, TINY), misses + 1, TAIL), 0.0)
    high = np.where(misses > TINY, betaincinv(hits + 1, np.maximum(misses, TINY), 1 - TAIL), 1.0)
    low, high = (np.where(np.isfinite(trials), bound, share) for bound in (low, high))
    return within.least + span * low, within.least + span * high


def _poisson(value: np.ndarray, half: np.ndarray, least: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the exact bounds of a Poisson count with the same relative error."""
    above = value - least
    count = np.square(above * norm.isf(TAIL) / half)
    low, high = gammaincinv(count, TAIL), gammaincinv(count + 1, 1 - TAIL)
    return least + above * low / count, least + above * high / count


def _at_end(
    value: np.ndarray, lo: np.ndarray, hi: np.ndarray, spread: Spread, within: Range
) -> tuple[np.ndarray, np.ndarray]:
    """Replace the bounds of numbers at an end of the range: the data show no spread there.

    No event was seen in C clusters of m units each. If the rates of clusters follow a gamma law with mean r
    and coefficient of variation v, the chance of that is (1 + m r v²) ** (-C / v²). The bound is the r at
    which the chance is `TAIL`. For v = 0 it is the Poisson bound, nearly that of Clopper and Pearson.
    """
    distance = np.full_like(value, np.nan)
    if within.event:
        weight = VARIATION**2
        rate = (TAIL ** (-weight / spread.clusters) - 1) / weight * spread.clusters / spread.units
        distance = np.broadcast_to(np.minimum(within.event * rate, within.most - within.least), value.shape)
    for end, sign in ((within.least, 1), (within.most, -1)):
        if not np.isfinite(end):
            continue
        there = np.abs(value - end) <= ROUNDING * max(1.0, abs(end))
        other = end + sign * distance
        first, second = (np.where(np.isnan(distance), np.nan, end), other)[::sign]
        lo, hi = np.where(there, first, lo), np.where(there, second, hi)
    return lo, hi
