"""Bootstrap confidence intervals that resample speakers.

Utterances of one speaker resemble each other, so whole clusters are resampled. If every utterance is its own
cluster, this is the ordinary bootstrap.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import norm
from scipy.stats import t as student_t

CONFIDENCE = 0.95
BLOCK = 4_000_000
"""Largest number of random numbers held at a time."""

Bootstrap = Literal["speakers", "utterances"]
METHODS: dict[Bootstrap, str] = {
    unit: f"95 % percentile bootstrap over {unit}, 1000 resamples, quantiles expanded for their number"
    for unit in get_args(Bootstrap)
}
"""Descriptions of the intervals in tables, by the unit that is resampled."""


@dataclass(frozen=True)
class Interval:
    """A score over many utterances with its 95 % bootstrap interval.

    `lo` and `hi` are NaN if fewer than two clusters were scored. The value is NaN too if none was.
    `n_abstained` counts utterances that the metric is not defined for, `n_failed` the others without a score.
    """

    value: float
    lo: float
    hi: float
    n_scored: int
    n_failed: int
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
    values: ArrayLike, clusters: ArrayLike | None = None, seed: int = 0, resamples: int = 1000
) -> Interval:
    """Compute the mean of the utterances' scores with its interval; see `ratio_interval`."""
    scores = np.asarray(values, dtype=float)
    return ratio_interval(scores, np.ones_like(scores), clusters, seed, resamples)


def ratio_interval(
    numerators: ArrayLike,
    denominators: ArrayLike,
    clusters: ArrayLike | None = None,
    seed: int = 0,
    resamples: int = 1000,
) -> Interval:
    """Compute a ratio of sums, such as corpus WER = Σ edits / Σ words, with its bootstrap interval.

    The percentile interval is taken at quantiles expanded for the number of clusters (Hesterberg 2015, What
    Teachers Should Know About the Bootstrap, section 5.3), because the plain interval is too narrow for the
    few speakers of a test set.

    Args:
        numerators: One per utterance (N,); NaN for a failed one.
        denominators: One per utterance (N,), positive; NaN for a failed one.
        clusters: Speaker of each utterance (N,); None makes every utterance its own cluster.
        seed: Seed of the resampling.
        resamples: Number of bootstrap replicates.
    """
    above, below = np.asarray(numerators, dtype=float), np.asarray(denominators, dtype=float)
    scored = np.isfinite(above) & np.isfinite(below)
    sums = cluster_sums(np.stack((above, below)), scored, clusters)
    count, n_clusters = int(scored.sum()), sums.shape[1]
    value = float(sums[0].sum() / sums[1].sum()) if count else float("nan")
    lo = hi = float("nan")
    if n_clusters > 1:
        rng = np.random.default_rng(seed)
        draws = (rng.integers(n_clusters, size=(n, n_clusters)) for n in blocks(resamples, n_clusters))
        totals = np.concatenate([sums[:, drawn].sum(axis=2) for drawn in draws], axis=1)
        tail = _expanded_tail(n_clusters)
        lo, hi = (float(q) for q in np.quantile(totals[0] / totals[1], (tail, 1 - tail)))
    return Interval(value, lo, hi, count, scored.size - count)


def difference_interval(
    first: ArrayLike,
    second: ArrayLike,
    clusters: ArrayLike | None = None,
    units: tuple[ArrayLike, ArrayLike] | None = None,
    seed: int = 0,
    resamples: int = 1000,
) -> Interval:
    """Compute the difference of two systems' means, or ratios of sums, with its paired bootstrap interval.

    Both systems are resampled on the same clusters, so utterances that are hard for both do not widen the
    interval. Utterances without a score of either system count as failed. The arguments are those of
    `significance.paired_test`, the quantiles those of `ratio_interval`.
    """
    above = np.stack([np.asarray(values, dtype=float) for values in (first, second)])
    below = np.ones_like(above) if units is None else np.stack([np.asarray(u, dtype=float) for u in units])
    scored = np.isfinite(above).all(axis=0) & np.isfinite(below).all(axis=0)
    sums = cluster_sums(np.concatenate((above, below)), scored, clusters)
    count, n_clusters = int(scored.sum()), sums.shape[1]
    value = lo = hi = float("nan")
    if count:
        whole = sums.sum(axis=1)
        value = float(whole[0] / whole[2] - whole[1] / whole[3])
    if n_clusters > 1:
        rng = np.random.default_rng(seed)
        draws = (rng.integers(n_clusters, size=(n, n_clusters)) for n in blocks(resamples, n_clusters))
        totals = np.concatenate([sums[:, drawn].sum(axis=2) for drawn in draws], axis=1)
        tail = _expanded_tail(n_clusters)
        differences = totals[0] / totals[2] - totals[1] / totals[3]
        lo, hi = (float(q) for q in np.quantile(differences, (tail, 1 - tail)))
    return Interval(value, lo, hi, count, scored.size - count)


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


def _expanded_tail(n: int) -> float:
    """Return the probability in each tail of the bootstrap distribution of n units."""
    quantile = student_t.ppf((1 - CONFIDENCE) / 2, n - 1) * np.sqrt(n / (n - 1))
    return float(norm.cdf(quantile))
