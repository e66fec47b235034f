"""Standard error over speakers and seeds: special cases that other tests know, and its expectation."""

import numpy as np
import pytest
from scipy.stats import binom, ttest_ind, ttest_rel
from scipy.stats import t as student_t

from benchmark.metrics.statistics.crossed import CrossedError, crossed_error
from benchmark.metrics.statistics.significance import paired_test


def means(scores):
    """Return scores of seeds by speaker as sums over one utterance each."""
    return np.asarray(scores, dtype=float), np.ones(np.shape(scores))


def test_without_seeds_it_is_the_paired_t_test_over_speakers():
    rng = np.random.default_rng(0)
    first, second = rng.normal(size=(2, 9))
    error = crossed_error(means([first]), means([second]))
    assert error.p_value((first - second).mean()) == pytest.approx(ttest_rel(first, second).pvalue)


@pytest.mark.parametrize("levels", [([1.0, 2.0, 4.0], [2.5, 3.5, 3.0]), ([0.0, 1.0, 0.1, 2.0], [5.0, 1.0])])
def test_where_speakers_do_not_differ_it_is_welchs_test_over_seeds(levels):
    hard = np.random.default_rng(0).normal(size=9)
    first, second = (means(np.add.outer(each, hard)) for each in levels)
    welch = ttest_ind(*levels, equal_var=False)
    error = crossed_error(first, second)
    difference = np.mean(levels[0]) - np.mean(levels[1])
    assert error.p_value(difference) == pytest.approx(welch.pvalue)
    assert error.half_width == pytest.approx(welch.confidence_interval().high - difference)


def test_a_rate_of_equally_long_speakers_is_a_mean():
    rng = np.random.default_rng(0)
    first, second = rng.normal(size=(3, 7)), rng.normal(size=(2, 7))
    rates = crossed_error((20 * first, np.full((3, 7), 20.0)), (8 * second, np.full((2, 7), 8.0)))
    plain = crossed_error(means(first), means(second))
    assert rates.variances == pytest.approx(plain.variances) and rates.freedom == pytest.approx(plain.freedom)


@pytest.mark.parametrize("ratio", [False, True])
@pytest.mark.parametrize("seeds", [(3, 3), (4, 1)])
def test_on_average_it_is_the_variance_of_the_difference(seeds, ratio):
    """Draw noise of all kinds, that of single utterances above all, which must not count twice."""
    rng, speakers, trials = np.random.default_rng(0), 12, 1500
    differences, variances = [], []
    for _ in range(trials):
        hard, sides = rng.normal(size=speakers), []
        words = rng.integers(40, 160, speakers) if ratio else np.ones(speakers)
        for number in seeds:
            level = rng.normal(0, 0.2, (number, 1)) if number > 1 else 0.0
            own = 0.6 * rng.normal(size=speakers)
            rate = 5 + hard + own + level + rng.normal(0, 1.0, (number, speakers))
            sides.append((rate * words, np.broadcast_to(words, rate.shape).astype(float)))
        error = crossed_error(*sides)
        values = [(above.sum(axis=1) / below.sum(axis=1)).mean() for above, below in sides]
        differences.append(values[0] - values[1])
        variances.append(error.standard_error**2)
    assert np.mean(variances) == pytest.approx(np.var(differences), rel=0.12)


def test_half_of_the_width_is_the_difference_with_a_p_value_of_five_percent():
    error = CrossedError((0.3, 1.2), (9.0, 2.0))
    assert error.p_value(error.half_width) == pytest.approx(0.05)
    assert error.p_value(-error.half_width) == pytest.approx(0.05)
    # The part with two degrees of freedom alone would be wider, the other alone narrower.
    assert 2.26 * 1.5**0.5 < error.half_width < 4.31 * 1.5**0.5


@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
def test_the_level_holds_where_three_seeds_of_one_system_are_most_of_the_error(share):
    """Draw both variances and the difference; Satterthwaite's degrees of freedom would reject more often."""
    rng, trials, freedom = np.random.default_rng(0), 4000, (39.0, 2.0)
    rejected, by_satterthwaite = 0, 0
    for difference in rng.normal(size=trials):
        parts = [each * rng.chisquare(nu) / nu for each, nu in zip((1 - share, share), freedom, strict=True)]
        rejected += CrossedError((parts[0], parts[1]), freedom).p_value(difference) <= 0.05
        pooled = sum(parts) ** 2 / sum(part**2 / nu for part, nu in zip(parts, freedom, strict=True))
        by_satterthwaite += 2 * student_t.sf(abs(difference) / sum(parts) ** 0.5, pooled) <= 0.05
    assert rejected <= binom.ppf(0.999, trials, 0.05) and rejected < by_satterthwaite
    assert share < 0.9 or by_satterthwaite > binom.ppf(0.999, trials, 0.06)


def test_without_spread_every_difference_is_certain_and_one_speaker_tells_nothing():
    alike = means(np.ones((3, 5)))
    error = crossed_error(alike, alike)
    assert error.half_width == 0 and error.p_value(0.0) == 1.0 and error.p_value(0.1) == 0.0
    lonely = crossed_error(means([[1.0], [2.0]]), means([[3.0]]))
    assert lonely.p_value(-1.5) == 1.0 and np.isnan(lonely.half_width)


def test_the_larger_p_value_decides():
    rng = np.random.default_rng(0)
    hard = rng.normal(size=14)
    noisy = np.add.outer([0.0, 0.5, 1.0], hard + 0.6 + rng.normal(0, 0.2, 14))
    over_speakers = paired_test(noisy.mean(axis=0), hard)
    both = paired_test(noisy, hard)
    assert over_speakers.p_value < 0.01 and over_speakers.error is None
    assert both.difference == pytest.approx(over_speakers.difference)
    assert both.p_value == both.error.p_value(both.difference) > 0.05
    quiet = np.add.outer([0.0, 0.001, 0.002], hard + rng.normal(0, 0.2, 14))
    assert paired_test(quiet, hard).p_value >= paired_test(quiet.mean(axis=0), hard).p_value


def test_an_utterance_that_one_seed_failed_on_is_left_out():
    scores = np.array([[1.0, 2.0, np.nan, 4.0], [1.0, 2.0, 3.0, 4.0]])
    found = paired_test(scores, np.zeros(4))
    assert (found.n_pairs, found.n_failed) == (3, 1) and found.difference == pytest.approx(7 / 3)
