"""Rank correlation and its interval."""

import numpy as np
import pytest
from scipy.stats import multivariate_normal, spearmanr

from benchmark.results.published.ranks import rank_correlation


def test_rho_is_scipys_and_lies_in_its_interval():
    generator = np.random.default_rng(0)
    first = generator.normal(size=12)
    second = first + generator.normal(size=12)
    found = rank_correlation(list(first), list(second))
    assert found.rho == pytest.approx(spearmanr(first, second).statistic)
    assert -1 <= found.lo < found.rho < found.hi <= 1 and found.n == 12


def test_the_interval_covers_as_it_says():
    """Simulated as Bonett and Wright (2000) did; rho of a bivariate normal is 6/π · arcsin(r/2)."""
    generator = np.random.default_rng(1)
    r, covered, trials = 0.8, 0, 1500
    truth = 6 / np.pi * np.arcsin(r / 2)
    samples = multivariate_normal([0, 0], [[1, r], [r, 1]], seed=generator).rvs((trials, 15))
    for sample in samples:
        found = rank_correlation(list(sample[:, 0]), list(sample[:, 1]))
        covered += found.lo <= truth <= found.hi
    assert 0.92 <= covered / trials <= 0.98


def test_equal_orders_have_an_interval_that_narrows_with_more_tokenizers():
    few, many = (rank_correlation(range(n), range(n)) for n in (5, 20))
    assert (few.rho, few.hi, many.rho, many.hi) == pytest.approx((1, 1, 1, 1))
    assert few.lo < many.lo < 1
    turned = rank_correlation(range(5), range(5, 0, -1))
    assert (turned.lo, turned.hi) == pytest.approx((-few.hi, -few.lo))


@pytest.mark.parametrize("pair", [([1, 2, 3], [1, 2, 3]), ([1, 1, 1, 1], [1, 2, 3, 4]), ([], [])])
def test_too_few_or_equal_numbers_have_no_rank_correlation(pair):
    assert rank_correlation(*pair) is None
