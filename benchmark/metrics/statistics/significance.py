"""Significance of differences between systems: paired tests over speakers and training seeds, corrections.

Both systems were scored on the same utterances. They are compared pair by pair, as in Koehn (2004,
Statistical Significance Tests for Machine Translation Evaluation) and Bisani and Ney (2004, Bootstrap
Estimates for Confidence Intervals in ASR Performance Evaluation), so utterances that are hard for both do
not count. Here the pairs are exchanged instead of resampled. Utterances of one speaker resemble each other,
so all utterances of a speaker are exchanged together. A system that was trained with several seeds is tested
over its seeds as well, see `crossed`.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from benchmark.metrics.statistics.crossed import LEVEL, CrossedError, crossed_error
from benchmark.metrics.statistics.intervals import blocks, cluster_sums

TIE = 1e-9
"""Relative tolerance, so that exchanges that repeat the observed difference count despite rounding."""


@dataclass(frozen=True)
class PairedTest:
    """Difference between two systems on the utterances that both were scored on."""

    difference: float
    """First minus second, each the mean over its seeds."""
    p_value: float
    """Two-sided p-value; NaN without pairs."""
    n_pairs: int
    n_failed: int
    """Number of utterances that a seed of one system or both has no score of."""
    n_clusters: int
    smallest_p: float
    """Lowest p-value that is possible with this number of clusters; NaN without pairs."""
    error: CrossedError | None = None
    """Standard error over clusters and seeds; None unless a system has several seeds."""


def paired_test(
    first: ArrayLike,
    second: ArrayLike,
    clusters: ArrayLike | None = None,
    units: tuple[ArrayLike, ArrayLike] | None = None,
    seed: int = 0,
    draws: int = 9_999,
) -> PairedTest:
    """Test the difference between two means, or two ratios of sums such as corpus WER.

    The test over clusters is a permutation test: under the null hypothesis the systems are interchangeable,
    so scores and units, averaged over seeds, may be exchanged within every cluster. If there are at most
    `draws` exchanges, all are tried, which gives the exact p-value. Otherwise `draws` random exchanges are
    tried. The observed one is counted with them, so that no p-value is zero (Phipson and Smyth 2010,
    Permutation P-values Should Never Be Zero).

    If a system has several seeds, the p-value is the larger of this one and that of `crossed_error`'s t test,
    which counts the choice of seeds as chance too.

    Args:
        first: Scores of one system (N,), or of its seeds (S, N), or the numerators of a ratio such as edits;
            NaN if failed.
        second: Scores or numerators of the other system, in the same order; it may have other seeds.
        clusters: Speaker of each utterance (N,); None makes every utterance its own cluster.
        units: Denominators of both systems, such as words, shaped like the numerators and positive; None for
            a mean.
        seed: Seed of the random exchanges.
        draws: Largest number of exchanges tried.
    """
    above = [np.atleast_2d(np.asarray(values, dtype=float)) for values in (first, second)]
    below = [np.ones_like(each) for each in above]
    if units is not None:
        below = [np.atleast_2d(np.asarray(values, dtype=float)) for values in units]
    scored = np.isfinite(np.concatenate((*above, *below))).all(axis=0)
    count = int(scored.sum())
    if not count:
        return PairedTest(float("nan"), float("nan"), 0, scored.size, 0, float("nan"))
    sums = [
        (cluster_sums(top, scored, clusters), cluster_sums(bottom, scored, clusters))
        for top, bottom in zip(above, below, strict=True)
    ]
    p_value, smallest = _exchange(sums, seed, draws)
    own, their = (float((top.sum(axis=1) / bottom.sum(axis=1)).mean()) for top, bottom in sums)
    error = crossed_error(*sums) if any(len(top) > 1 for top, _ in sums) else None
    if error is not None:
        p_value = max(p_value, error.p_value(own - their))
    n_clusters = sums[0][0].shape[1]
    return PairedTest(own - their, p_value, count, scored.size - count, n_clusters, smallest, error)


def better_than_all(tests: Iterable[PairedTest], sign: int) -> bool:
    """Tell whether the first system of all tests is significantly better than every second one.

    That is an intersection: it is false if a single comparison is, so that each test at `LEVEL` keeps the
    level without a correction (Berger 1982, Multiparameter Hypothesis Testing and Acceptance Sampling).

    Args:
        tests: Tests of one system against each of the others.
        sign: 1 if higher is better, -1 if lower is.
    """
    return all(sign * test.difference > 0 and test.p_value <= LEVEL for test in tests)


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


def _exchange(sums: list[tuple[np.ndarray, np.ndarray]], seed: int, draws: int) -> tuple[float, float]:
    """Return the p-value of the permutation test over clusters, and the smallest that it could give.

    Args:
        sums: Numerators and denominators of each system, (S, C) each.
        seed: Seed of the random exchanges.
        draws: Largest number of exchanges tried.
    """
    above, below = (np.stack([system[part].mean(axis=0) for system in sums]) for part in (0, 1))
    n_clusters = above.shape[1]
    exact = 2 ** (n_clusters - 1) <= draws
    observed = float(_differences(above, below, np.zeros((1, n_clusters)))[0])
    size = float((np.abs(above).sum(axis=1) / below.sum(axis=1)).max())
    least = abs(observed) - TIE * size
    exchanges = _all_exchanges(n_clusters) if exact else _random_exchanges(n_clusters, draws, seed)
    at_least = sum(int((np.abs(_differences(above, below, swapped)) >= least).sum()) for swapped in exchanges)
    if exact:
        return at_least / 2 ** (n_clusters - 1), 2.0 ** (1 - n_clusters)
    return (at_least + 1) / (draws + 1), 1 / (draws + 1)


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
