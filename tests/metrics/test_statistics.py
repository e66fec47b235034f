"""Intervals: values by hand and by other implementations, and what happens at the ends of a range."""

import numpy as np
import pytest
from scipy.stats import beta, poisson, ttest_1samp

from benchmark.metrics.statistics.bounds import Range
from benchmark.metrics.statistics.intervals import (
    Interval,
    described,
    difference_interval,
    jackknife_interval,
    mean_interval,
    ratio_interval,
)

NAN = float("nan")
SHARE = Range(0.0, 100.0, event=100.0)
RATE = Range(least=0.0, event=100.0)


def test_mean_ignores_and_counts_failures() -> None:
    result = mean_interval([1.0, NAN, 3.0, None])
    assert (result.value, result.n_scored, result.n_failed) == (2.0, 2, 2)
    assert result.lo < 2 < result.hi


def test_nothing_scored_is_nan_and_one_cluster_has_no_interval() -> None:
    empty = mean_interval([NAN, NAN])
    assert np.isnan([empty.value, empty.lo, empty.hi]).all()
    assert (empty.n_scored, empty.n_failed) == (0, 2)
    single = mean_interval([1.0, 2.0], clusters=["a", "a"])
    assert single.value == 1.5
    assert np.isnan(single.lo) and np.isnan(single.hi) and described(single, "speakers") == ""


def test_corpus_rate_is_not_the_mean_of_rates() -> None:
    result = ratio_interval([1, 1, NAN], [1, 9, 5])
    assert result.value == pytest.approx(0.2)
    assert (result.n_scored, result.n_failed) == (2, 1)
    assert ratio_interval([1, 1], [1, NAN]).n_failed == 1


def test_constant_scores_have_a_closed_interval() -> None:
    result = mean_interval(np.full(20, 0.7))
    assert result.lo == pytest.approx(0.7) and result.hi == pytest.approx(0.7)


@pytest.mark.parametrize("count", [2, 3, 6, 40])
def test_a_mean_without_ends_has_the_t_interval_of_scipy(count: int) -> None:
    scores = np.random.default_rng(count).normal(5, 2, count)
    expected = ttest_1samp(scores, 0).confidence_interval(0.95)
    result = mean_interval(scores)
    assert (result.lo, result.hi) == pytest.approx((expected.low, expected.high))
    speakers = mean_interval(np.repeat(scores, 4), np.repeat(np.arange(count), 4))
    assert (speakers.lo, speakers.hi) == pytest.approx((expected.low, expected.high))


def test_order_of_utterances_does_not_matter_with_clusters() -> None:
    rng = np.random.default_rng(0)
    scores, speakers = rng.normal(size=40), rng.integers(0, 8, 40).astype(str)
    order = rng.permutation(40)
    first, second = mean_interval(scores, speakers), mean_interval(scores[order], speakers[order])
    assert first.lo == pytest.approx(second.lo) and first.hi == pytest.approx(second.hi)


def test_many_independent_answers_have_nearly_the_bounds_of_clopper_and_pearson() -> None:
    hits = np.repeat([100.0, 0.0], [970, 30])
    result = mean_interval(hits, within=SHARE)
    expected = 100 * beta.ppf(0.025, 970, 31), 100 * beta.ppf(0.975, 971, 30)
    assert (result.lo, result.hi) == pytest.approx(expected, abs=0.05)


def test_many_independent_words_have_nearly_the_bounds_of_a_poisson_count() -> None:
    edits = np.zeros(2000)
    edits[:12] = 1
    result = ratio_interval(100 * edits, np.ones(2000), within=RATE)
    assert result.value == pytest.approx(0.6) and result.lo < 0.6 < result.hi
    assert poisson.sf(11, result.lo * 20) == pytest.approx(0.025, rel=0.1)
    assert poisson.cdf(12, result.hi * 20) == pytest.approx(0.025, rel=0.1)


def test_a_share_of_all_is_not_certain() -> None:
    speakers = np.repeat(np.arange(6), 16)
    all_right, all_wrong = (mean_interval(np.full(96, end), speakers, SHARE) for end in (100.0, 0.0))
    assert all_right.hi == 100.0 and all_wrong.lo == 0.0
    assert all_wrong.hi == pytest.approx(100 - all_right.lo)
    # With rates r that vary by 100 % among speakers, nobody of six errs in 16 trials with this chance.
    rate = all_wrong.hi / 100
    rates = np.random.default_rng(0).exponential(rate, (200_000, 6))
    assert np.exp(-16 * rates.sum(1)).mean() == pytest.approx(0.025, rel=0.1)
    independent = mean_interval(np.full(96, 100.0), within=SHARE)
    assert independent.lo == pytest.approx(100 * 0.025 ** (1 / 96), abs=0.2)
    assert all_right.lo < independent.lo
    assert "exact" in described(all_right, "speakers") and "speakers" in described(all_right, "speakers")


def test_no_edit_in_many_words_is_not_certain_either() -> None:
    words = np.full(60, 10.0)
    none = ratio_interval(np.zeros(60), words, np.repeat(np.arange(6), 10), RATE)
    assert none.lo == 0.0 and 100 * 3.69 / 600 < none.hi < 100 * 2 * 3.69 / 600


def test_a_measurement_at_an_end_of_its_range_has_no_interval() -> None:
    copies = mean_interval(np.ones(60), np.repeat(np.arange(6), 10), Range(-1.0, 1.0))
    assert copies.value == 1.0 and np.isnan([copies.lo, copies.hi]).all()
    impossible = mean_interval([101.0, 102.0, 104.0], within=SHARE)
    assert np.isnan([impossible.lo, impossible.hi]).all()


@pytest.mark.parametrize("within", [SHARE, RATE, Range(0.0, 100.0)])
def test_bounds_stay_in_the_range_and_around_the_number(within: Range) -> None:
    rng = np.random.default_rng(3)
    for _ in range(200):
        clusters = int(rng.integers(2, 7))
        scores = 100 * rng.beta(0.3, rng.choice([0.05, 0.3, 3.0]), (clusters, 3))
        result = mean_interval(scores.ravel(), np.repeat(np.arange(clusters), 3), within)
        assert within.least <= result.lo <= result.value <= result.hi <= within.most


def test_two_speakers_with_equal_shares_by_chance_have_an_interval() -> None:
    scores = np.tile([100.0, 100.0, 100.0, 0.0], 4)
    result = mean_interval(scores, np.repeat(["a", "b"], 8), SHARE)
    assert result.lo < 70 and result.hi > 80


def test_the_jackknife_of_a_mean_is_its_interval_and_of_a_difference_is_paired() -> None:
    rng = np.random.default_rng(0)
    scores = rng.normal(size=12)
    without = (scores.sum() - scores) / 11
    expected, result = mean_interval(scores), jackknife_interval(scores.mean(), without, (12, 0))
    assert (result.lo, result.hi) == pytest.approx((expected.lo, expected.hi))
    assert np.isnan(jackknife_interval(1.0, [], (12, 0)).lo)
    harder = scores + rng.normal(1, 0.01, 12)
    paired = difference_interval(harder, scores)
    assert paired.hi - paired.lo < 0.05 and paired.lo < 1 < paired.hi


def test_clusters_must_match_the_utterances() -> None:
    with pytest.raises(ValueError, match="2 clusters for 3 utterances"):
        mean_interval([1, 2, 3], ["a", "b"])


def test_scaled_and_with_value() -> None:
    interval = Interval(0.1, 0.05, 0.2, 9, 1)
    assert interval.scaled(100) == Interval(10.0, 5.0, 20.0, 9, 1)
    assert interval.with_value(0.5) == Interval(0.5, 0.05, 0.2, 9, 1)
