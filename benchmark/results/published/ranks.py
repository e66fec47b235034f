"""Agreement of orders: the rank correlation of published numbers with ours, with an interval."""

from collections.abc import Sequence
from math import atanh, sqrt, tanh
from typing import NamedTuple

from scipy.stats import spearmanr

FEWEST = 4
"""Smallest number of tokenizers for which the interval has a standard error."""
NORMAL = 1.959964
"""Quantile of the standard normal distribution that a two-sided 95 % interval needs."""


class RankCorrelation(NamedTuple):
    """Spearman's rho of two orders of `n` tokenizers, with its 95 % interval."""

    rho: float
    lo: float
    hi: float
    n: int


def rank_correlation(published: Sequence[float], ours: Sequence[float]) -> RankCorrelation | None:
    """Correlate two lists of numbers of the same tokenizers by their ranks.

    The interval is that of a sample of tokenizers: Fisher's transformation with the standard error
    √((1 + ρ²/2) / (n − 3)) of Bonett and Wright (2000), Psychometrika 65(1). Equal orders, for which the
    transformation is infinite, are taken as half an exchange of neighbours away from equal.

    Returns: None for fewer than four tokenizers, or if all numbers of a list are equal.
    """
    n = len(published)
    if n < FEWEST or len(set(published)) < 2 or len(set(ours)) < 2:
        return None
    rho = float(spearmanr(published, ours).statistic)
    most = 1 - 6 / (n**3 - n)  # an exchange of two neighbours lowers rho by 12 / (n³ - n)
    inside = max(-most, min(most, rho))
    error = NORMAL * sqrt((1 + inside**2 / 2) / (n - 3))
    lo, hi = (tanh(atanh(inside) + side * error) for side in (-1, 1))
    return RankCorrelation(rho, min(rho, lo), max(rho, hi), n)
