"""Confidence intervals that treat speakers as the independent units.

Utterances of one speaker resemble each other, so whole clusters are left out, one at a time: the jackknife.
If every utterance is its own cluster, utterances are the independent units.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike

from benchmark.metrics.statistics.bounds import VARIATION, Range, Spread, bounds

BLOCK = 4_000_000
"""Largest number of random numbers held at a time."""

IntervalUnit = Literal["speakers", "utterances"]
METHODS: dict[IntervalUnit, str] = {
    unit: f"95 % jackknife over {unit}, Student's t, inside the metric's range"
    for unit in get_args(IntervalUnit)
}
"""Descriptions of the intervals in tables, by the unit that is left out."""
INTERVALS_VERSION = 2
"""Part of every job's key; raised when a code change gives other bounds."""
AT_END = "with no event seen, the exact 97.5 % bound for {unit} whose rates vary by {variation:.0%}"
"""Description of the interval of a number at an end of its range."""


@dataclass(frozen=True)
class Interval:
    """A score over many utterances with its 95 % interval.

    `lo` and `hi` are NaN if fewer than two clusters were scored, and where the scores tell nothing of their
    spread, see `bounds`. The value is NaN too if nothing was scored.
    `n_abstained` counts utterances that the metric is not defined for, `n_failed` the others without a score.
    """

    value: float
    lo: float
    hi: float
    n_scored: int
    n_failed: int
    at_end: bool = False
    """True if the number lies at an end of its range, so that one bound is the number itself."""
    n_abstained: int = 0

    def scaled(self, factor: float) -> "Interval":
        """Return the interval in another unit, such as percent; `factor` must be positive."""
        return replace(self, value=self.value * factor, lo=self.lo * factor, hi=self.hi * factor)

    def with_abstained(self, count: int) -> "Interval":
        """Return the interval with `count` of the utterances without a score counted as abstentions."""
        return replace(self, n_failed=self.n_failed - count, n_abstained=count)

    def with_value(self, value: float) -> "Interval":
        """Return the interval with another value, and the same counts and bounds."""
        return replace(self, value=value)


def mean_interval(
    values: ArrayLike, clusters: ArrayLike | None = None, within: Range | None = None
) -> Interval:
    """Compute the mean of the utterances' scores with its interval; see `ratio_interval`."""
    scores = np.asarray(values, dtype=float)
    return ratio_interval(scores, np.ones_like(scores), clusters, within)


def ratio_interval(
    numerators: ArrayLike,
    denominators: ArrayLike,
    clusters: ArrayLike | None = None,
    within: Range | None = None,
) -> Interval:
    """Compute a ratio of sums, such as corpus WER = Σ edits / Σ words, with its interval.

    Args:
        numerators: One per utterance (N,); NaN for a failed one.
        denominators: One per utterance (N,), positive; NaN for a failed one.
        clusters: Speaker of each utterance (N,); None makes every utterance its own cluster.
        within: Range of the ratio; None for a ratio without ends.
    """
    parts = np.stack((np.asarray(numerators, dtype=float), np.asarray(denominators, dtype=float)))
    scored = np.isfinite(parts).all(axis=0)
    count = int(scored.sum())
    value, lo, hi = ratio_bounds(parts[:, scored], cluster_sums(parts, scored, clusters), within or Range())
    at_end = bool(lo < hi and value in (lo, hi))
    return Interval(float(value), float(lo), float(hi), count, scored.size - count, at_end)


def described(interval: Interval, unit: IntervalUnit) -> str:
    """Return the method of an interval in words; empty for a number without bounds."""
    if not np.isfinite(interval.lo):
        return ""
    return AT_END.format(unit=unit, variation=VARIATION) if interval.at_end else METHODS[unit]


def ratio_bounds(
    parts: np.ndarray, sums: np.ndarray, within: Range
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Compute ratios of sums, and their bounds from the ratios without each cluster.

    The bounds are at least one standard error of independent utterances away from the ratio, because two
    speakers may have equal scores by chance.

    Args:
        parts: Numerators and denominators of all utterances (2, ..., N).
        sums: Their sums over each cluster (2, ..., C).
        within: Range of the ratios.

    Returns: ratios, lower and upper bounds, (...) each.
    """
    clusters, (above, below) = sums.shape[-1], sums.sum(axis=-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        value = above / below
        if clusters < 2:
            return value, np.full_like(value, np.nan), np.full_like(value, np.nan)
        without = (above[..., None] - sums[0]) / (below[..., None] - sums[1])
        count = (parts[1] > 0).sum(axis=-1)
        residuals = np.square(parts[0] - value[..., None] * parts[1]).sum(axis=-1)
        independent = np.sqrt(residuals * count / (count - 1)) / below
    error = jackknife_error(without)
    return value, *bounds(value, Spread(error, clusters, floor=independent, units=below), within)


def jackknife_error(without: np.ndarray) -> np.ndarray:
    """Compute the standard errors of numbers from the numbers without each cluster (..., C)."""
    count = without.shape[-1]
    deviations = without - without.mean(axis=-1, keepdims=True)
    return np.asarray(np.sqrt((count - 1) / count * np.square(deviations).sum(axis=-1)))


def jackknife_interval(
    value: float, without: ArrayLike, counts: tuple[int, int], within: Range | None = None
) -> Interval:
    """Compute the interval of any number over many utterances.

    Args:
        value: The number over all utterances.
        without: The number without each cluster (C,); fewer than two give no interval.
        counts: Utterances that were scored, and that failed.
        within: Range of the number; None for a number without ends.
    """
    numbers = np.asarray(without, dtype=float)
    if len(numbers) < 2:
        return Interval(value, float("nan"), float("nan"), *counts)
    spread = Spread(jackknife_error(numbers), len(numbers))
    lo, hi = bounds(value, spread, within or Range())
    return Interval(value, float(lo), float(hi), *counts)


def difference_interval(
    first: ArrayLike,
    second: ArrayLike,
    clusters: ArrayLike | None = None,
    units: tuple[ArrayLike, ArrayLike] | None = None,
) -> Interval:
    """Compute the difference of two systems' means, or ratios of sums, with its paired interval.

    The same cluster is left out of both systems, so utterances that are hard for both do not widen the
    interval. Utterances without a score of either system count as failed. The arguments are those of
    `significance.paired_test`.
    """
    above = np.stack([np.asarray(values, dtype=float) for values in (first, second)])
    below = np.ones_like(above) if units is None else np.stack([np.asarray(u, dtype=float) for u in units])
    scored = np.isfinite(above).all(axis=0) & np.isfinite(below).all(axis=0)
    counts = int(scored.sum()), int((~scored).sum())
    if not counts[0]:
        return Interval(float("nan"), float("nan"), float("nan"), *counts)
    sums = cluster_sums(np.concatenate((above, below)), scored, clusters)
    whole = sums.sum(axis=1)
    left = whole[:, None] - sums if sums.shape[1] > 1 else np.ones((4, 0))
    return jackknife_interval(float(_gap(whole)), _gap(left), counts)


def _gap(sums: np.ndarray) -> np.ndarray:
    """Return the first ratio minus the second of two numerators and two denominators (4, ...)."""
    return np.asarray(sums[0] / sums[2] - sums[1] / sums[3])


def cluster_sums(values: np.ndarray, scored: np.ndarray, clusters: ArrayLike | None) -> np.ndarray:
    """Sum the rows of (R, N) over each cluster's scored utterances, to (R, clusters)."""
    kept = values[:, scored]
    if clusters is None:
        return kept
    names = np.asarray(clusters).astype(str)
    if names.shape != scored.shape:
        raise ValueError(f"{names.size} clusters for {scored.size} utterances")
    _, index = np.unique(names[scored], return_inverse=True)
    return np.stack([np.bincount(index, weights=row) for row in kept])


def blocks(rows: int, width: int) -> Iterator[int]:
    """Yield the sizes of blocks of `rows`, each of at most `BLOCK` numbers."""
    step = max(1, BLOCK // width)
    return (min(step, rows - start) for start in range(0, rows, step))
