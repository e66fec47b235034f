import numpy as np
import pytest

from benchmark.metrics.statistics.intervals import Interval, mean_interval, ratio_interval

NAN = float("nan")


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
    assert np.isnan(single.lo) and np.isnan(single.hi)


def test_corpus_rate_is_not_the_mean_of_rates() -> None:
    result = ratio_interval([1, 1, NAN], [1, 9, 5])
    assert result.value == pytest.approx(0.2)
    assert (result.n_scored, result.n_failed) == (2, 1)
    assert ratio_interval([1, 1], [1, NAN]).n_failed == 1


def test_constant_scores_have_a_closed_interval() -> None:
    result = mean_interval(np.full(20, 0.7))
    assert result.lo == pytest.approx(0.7) and result.hi == pytest.approx(0.7)


def test_same_seed_same_interval() -> None:
    scores = np.random.default_rng(0).normal(size=50)
    assert mean_interval(scores, seed=1) == mean_interval(scores, seed=1)
    assert mean_interval(scores, seed=1) != mean_interval(scores, seed=2)


def test_order_of_utterances_does_not_matter_with_clusters() -> None:
    rng = np.random.default_rng(0)
    scores, speakers = rng.normal(size=40), rng.integers(0, 8, 40).astype(str)
    order = rng.permutation(40)
    first, second = mean_interval(scores, speakers), mean_interval(scores[order], speakers[order])
    assert first.lo == pytest.approx(second.lo) and first.hi == pytest.approx(second.hi)


def test_interval_of_many_values_matches_the_normal_theory() -> None:
    scores = np.random.default_rng(0).normal(5, 2, 500)
    result = mean_interval(scores, resamples=4000)
    half = 1.96 * scores.std() / np.sqrt(500)
    assert result.lo == pytest.approx(scores.mean() - half, abs=0.1 * half)
    assert result.hi == pytest.approx(scores.mean() + half, abs=0.1 * half)


@pytest.mark.parametrize(("speakers", "per_speaker"), [(6, 10), (40, 5)])
def test_cluster_interval_covers_the_truth_where_the_plain_one_does_not(
    speakers: int, per_speaker: int
) -> None:
    rng = np.random.default_rng(0)
    names = np.repeat(np.arange(speakers), per_speaker)
    clustered = plain = 0
    trials = 250
    for trial in range(trials):
        scores = rng.normal(0, 1, speakers)[names] + rng.normal(0, 0.5, names.size)
        by_speaker = mean_interval(scores, names, seed=trial, resamples=400)
        by_utterance = mean_interval(scores, seed=trial, resamples=400)
        clustered += by_speaker.lo <= 0 <= by_speaker.hi
        plain += by_utterance.lo <= 0 <= by_utterance.hi
    assert 0.91 <= clustered / trials <= 0.985
    assert plain / trials < 0.8


def test_clusters_must_match_the_utterances() -> None:
    with pytest.raises(ValueError, match="2 clusters for 3 utterances"):
        mean_interval([1, 2, 3], ["a", "b"])


def test_scaled_and_with_value() -> None:
    interval = Interval(0.1, 0.05, 0.2, 9, 1)
    assert interval.scaled(100) == Interval(10.0, 5.0, 20.0, 9, 1)
    assert interval.with_value(0.5) == Interval(0.5, 0.05, 0.2, 9, 1)
