import numpy as np
import pytest

from benchmark.metrics.statistics.intervals import mean_interval
from benchmark.metrics.statistics.significance import holm, paired_test

NAN = float("nan")


def test_exact_p_values_by_hand() -> None:
    # All four signs agree in 2 of 16 exchanges. ±3 ±1 ±1 ±1 is 4 or more, as observed, where at most one
    # of the ones goes against the 3: 4 exchanges and 4 mirrored.
    assert paired_test([1, 1, 1, 1], [0, 0, 0, 0]).p_value == 2 / 16
    assert paired_test([3, 1, 1, 0], [0, 0, 0, 1]).p_value == 8 / 16
    assert paired_test([1, 2, 3], [1, 2, 3]).p_value == 1.0
    # |±1 ±2 ±3 ±3| is 3 or more in 12 of 16, in four of them exactly, however the tenths round.
    assert paired_test([0.1, 0.2, 0.3, 0], [0, 0, 0, 0.3]).p_value == 12 / 16


def test_an_exchange_swaps_the_words_with_the_errors() -> None:
    # 6/14 - 2/13 = 0.27 as observed; with the second speaker swapped 5/18 - 3/9 = -0.06.
    units = ([10, 4], [5, 8])
    result = paired_test([4, 2], [1, 1], units=units)
    assert result.difference == pytest.approx(6 / 14 - 2 / 13)
    assert result.p_value == 2 / 4
    # 9/31 - 10/40 = 0.04 is less than what the other exchange gives, 7/35 - 12/36 = -0.13.
    assert paired_test([6, 3], [9, 1], units=([10, 21], [15, 25])).p_value == 1.0


def test_a_ratio_of_sums_is_not_a_mean_of_rates() -> None:
    first, second, words = np.array([1, 1, 1, 0]), np.array([0, 0, 0, 3]), np.array([2, 2, 2, 30])
    assert paired_test(first, second, units=(words, words)).p_value == 1.0  # three errors each
    # Rates differ by 0.5, 0.5, 0.5 and -0.1. As large are this exchange, the last one's, and both mirrored.
    assert paired_test(first / words, second / words).p_value == 4 / 16


def test_many_utterances_are_sampled_and_the_observed_one_is_counted() -> None:
    rng = np.random.default_rng(0)
    hard = rng.normal(0, 5, 60)
    first = hard + 0.3 + rng.normal(0, 0.5, 60)
    result = paired_test(first, hard)
    assert result.difference == pytest.approx((first - hard).mean())
    assert 0 < result.p_value < 0.01
    assert mean_interval(first).lo < mean_interval(hard).value  # a difference that the intervals hide
    assert paired_test(np.ones(60), np.zeros(60), draws=99).p_value == 1 / 100
    assert paired_test(np.ones(60), np.zeros(60), draws=99).smallest_p == 1 / 100


def test_sampled_and_exact_p_values_agree() -> None:
    gap = np.random.default_rng(1).normal(0.4, 1, 12)
    exact, sampled = (paired_test(gap, np.zeros(12), draws=draws).p_value for draws in (2048, 2047))
    assert exact * 4096 % 2 == 0 and sampled != exact
    assert sampled == pytest.approx(exact, abs=0.03)
    assert sampled == paired_test(gap, np.zeros(12), draws=2047).p_value  # seeded
    assert sampled != paired_test(gap, np.zeros(12), draws=2047, seed=1).p_value


def test_neither_the_order_of_utterances_nor_of_systems_matters() -> None:
    rng = np.random.default_rng(0)
    first, second, names = rng.normal(size=60), rng.normal(size=60), rng.integers(0, 20, 60)
    order = rng.permutation(60)
    one, other = paired_test(first, second, names), paired_test(first[order], second[order], names[order])
    turned = paired_test(second, first, names)
    assert one.p_value == other.p_value == turned.p_value
    assert one.difference == pytest.approx(-turned.difference)


def test_the_level_holds_without_a_difference_over_speakers_but_not_over_their_utterances() -> None:
    rng, trials, speakers = np.random.default_rng(0), 600, 20
    names = np.repeat(np.arange(speakers), 5)
    zeros = np.zeros(names.size)
    found = {"speaker": 0, "utterance": 0}
    for trial in range(trials):
        gap = rng.normal(0, 1, speakers)[names] + rng.normal(0, 0.5, names.size)
        found["speaker"] += paired_test(gap, zeros, names, seed=trial, draws=499).p_value <= 0.05
        found["utterance"] += paired_test(gap, zeros, seed=trial, draws=499).p_value <= 0.05
    assert 0.03 <= found["speaker"] / trials <= 0.075
    assert found["utterance"] / trials > 0.2


def test_the_level_holds_for_a_word_error_rate_and_a_real_difference_is_found() -> None:
    rng, trials, speakers = np.random.default_rng(0), 400, 12
    names = np.repeat(np.arange(speakers), 6)
    null = planted = 0
    for _ in range(trials):
        words = rng.integers(3, 20, names.size)
        hard = rng.uniform(0.05, 0.3, speakers)[names]
        first, same = rng.binomial(words, hard), rng.binomial(words, hard)
        worse = rng.binomial(words, hard + 0.15)
        null += paired_test(first, same, names, (words, words)).p_value <= 0.05
        planted += paired_test(first, worse, names, (words, words)).p_value <= 0.05
    assert 0.025 <= null / trials <= 0.08
    assert planted / trials > 0.95


def test_speakers_who_differ_make_it_less_sure() -> None:
    names = np.repeat(np.arange(6), 8)
    gap = np.array([2.0, 1.5, 1.0, 0.5, -0.3, -0.7])[names]
    zeros = np.zeros(names.size)
    assert paired_test(gap, zeros).p_value < 0.001 < 0.1 < paired_test(gap, zeros, names).p_value


def test_what_either_system_failed_on_is_left_out_and_counted() -> None:
    result = paired_test([3, NAN, 2, 5], [1, 1, 2, 9], units=([10, 10, 10, 9], [10, 10, 10, NAN]))
    assert result.difference == pytest.approx(2 / 20)
    assert (result.n_pairs, result.n_failed, result.n_clusters) == (2, 2, 2)
    nothing = paired_test([NAN], [1])
    assert np.isnan([nothing.p_value, nothing.smallest_p]).all() and nothing.n_failed == 1


def test_few_speakers_bound_the_p_value() -> None:
    names = np.repeat(np.arange(6), 10)
    result = paired_test(np.arange(60) + 100.0, np.zeros(60), names)
    assert result.p_value == result.smallest_p == 2 / 64
    assert paired_test([1, 2], [0, 0], ["a", "a"]).smallest_p == 1.0  # one speaker tells nothing


def test_holm_by_hand() -> None:
    # 4 × 0.005, 3 × 0.01, 2 × 0.03, and 0.04 not below the one before it.
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.4, 0.6]) == pytest.approx([0.8, 0.8])
    assert holm([0.7, 0.9]) == pytest.approx([1.0, 1.0])
    assert holm([0.04]) == pytest.approx([0.04])
