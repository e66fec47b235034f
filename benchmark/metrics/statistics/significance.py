"""Significance of differences between systems: paired permutation test over speakers, Holm's correction.

Both systems were scored on the same utterances. They are compared pair by pair, as in Koehn (2004,
Statistical Significance Tests for Machine Translation Evaluation) and Bisani and Ney (2004, Bootstrap
Estimates for Confidence Intervals in ASR Performance Evaluation), so utterances that are hard for both do
not count. Here the pairs are exchanged instead of resampled. Utterances of one speaker resemble each other,
so all utterances of a speaker are exchanged together.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from benchmark.metrics.statistics.intervals import blocks, cluster_sums

TIE = 1e-9
"""Relative tolerance, so that exchanges that repeat the observed difference count despite rounding."""


@dataclass(frozen=True)
class PairedTest:
    """Difference between two systems on the utterances that both were scored on."""

    difference: float
    """First minus second."""
    p_value: float
    """Two-sided p-value; NaN without pairs."""
    n_pairs: int
    n_failed: int
    """Number of utterances without a score of one system or both."""
    n_clusters: int
    smallest_p: float
    """Lowest p-value that is possible with this number of clusters; NaN without pairs."""


def paired_test(
    first: ArrayLike,
    second: ArrayLike,
    clusters: ArrayLike | None = None,
    units: tuple[ArrayLike, ArrayLike] | None = None,
    seed: int = 0,
    draws: int = 9_999,
) -> PairedTest:
    """Test the difference between two means, or two ratios of sums such as corpus WER, by permutation.

    Under the null hypothesis the systems are interchangeable, so scores and units may be exchanged within
    every cluster. If there are at most `draws` exchanges, all are tried, which gives the exact p-value.
    Otherwise `draws` random exchanges are tried. The observed one is counted with them, so that no p-value is
    zero (Phipson and Smyth 2010, Permutation P-values Should Never Be Zero).

    Args:
        first: Scores of one system (N,), or the numerators of a ratio such as edits; NaN if failed.
        second: Scores or numerators of the other system, in the same order.
        clusters: Speaker of each utterance (N,); None makes every utterance its own cluster.
        units: Denominators of both systems, such as words, (N,) each and positive; None for a mean.
        seed: Seed of the random exchanges.
        draws: Largest number of exchanges tried.
    """
    scores = np.stack([np.asarray(values, dtype=float) for values in (first, second)])
    below = np.ones_like(scores) if units is None else np.stack([np.asarray(u, dtype=float) for u in units])
    scored = np.isfinite(scores).all(axis=0) & np.isfinite(below).all(axis=0)
    count = int(scored.sum())
    if not count:
        return PairedTest(float("nan"), float("nan"), 0, scored.size, 0, float("nan"))
    above_sums = cluster_sums(scores, scored, clusters)
    below_sums = cluster_sums(below, scored, clusters)
    n_clusters = above_sums.shape[1]
    exact = 2 ** (n_clusters - 1) <= draws
    nothing = np.zeros((1, n_clusters))
    observed = float(_differences(above_sums, below_sums, nothing)[0])
    size = float((np.abs(above_sums).sum(axis=1) / below_sums.sum(axis=1)).max())
    least = abs(observed) - TIE * size
    exchanges = _all_exchanges(n_clusters) if exact else _random_exchanges(n_clusters, draws, seed)
    at_least = sum(
        int((np.abs(_differences(above_sums, below_sums, swapped)) >= least).sum()) for swapped in exchanges
    )
    p_value = at_least / 2 ** (n_clusters - 1) if exact else (at_least + 1) / (draws + 1)
    smallest = 2.0 ** (1 - n_clusters) if exact else 1 / (draws + 1)
    return PairedTest(observed, p_value, count, scored.size - count, n_clusters, smallest)


def holm(p_values: ArrayLike) -> np.ndarray:
    """Adjust the p-values of several tests so that the family-wise error rate keeps its level.

    The smallest of m is multiplied by m, the next by m - 1 and so on, and no adjusted value is below the
    previous one (Holm 1979, A Simple Sequentially Rejective Multiple Test Procedure).

    Returns: (m,) in the given order.
    """
    raw = np.asarray(p_values, dtype=float)
    order = np.argsort(raw)
    adjusted = np.empty_like(raw)
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(raw[order] * np.arange(raw.size, 0, -1)))
    return adjusted


def _differences(above: np.ndarray, below: np.ndarray, swapped: np.ndarray) -> np.ndarray:
    """Compute the difference of the two ratios under every exchange, (P,).

    Args:
        above: Sums of both systems' numerators over each cluster (2, C).
        below: Sums of both systems' denominators over each cluster (2, C).
        swapped: 1 where an exchange swaps the systems, 0 elsewhere, (P, C).
    """
    tops, bottoms = (
        (sums[0].sum() + swapped @ (sums[1] - sums[0]), sums[1].sum() + swapped @ (sums[0] - sums[1]))
        for sums in (above, below)
    )
    return tops[0] / bottoms[0] - tops[1] / bottoms[1]


def _all_exchanges(n_clusters: int) -> Iterator[np.ndarray]:
    """Yield every exchange that keeps the last cluster; the others only invert the difference's sign."""
    start = 0
    for rows in blocks(2 ** (n_clusters - 1), n_clusters):
        numbers = np.arange(start, start + rows)[:, None]
        yield ((numbers >> np.arange(n_clusters)) & 1).astype(float)
        start += rows


def _random_exchanges(n_clusters: int, draws: int, seed: int) -> Iterator[np.ndarray]:
    rng = np.random.default_rng(seed)
    for rows in blocks(draws, n_clusters):
        yield rng.integers(2, size=(rows, n_clusters), dtype=np.int8).astype(float)
