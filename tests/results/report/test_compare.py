"""Comparison of two systems: differences on the common utterances, and refusals."""

from dataclasses import replace
from functools import partial

import numpy as np
import pandas as pd
import pytest
from scipy.stats import ttest_ind

from benchmark.errors import UserError
from benchmark.metrics.statistics.intervals import difference_interval, mean_interval, ratio_interval
from benchmark.results.report.compare import Side, compare
from benchmark.results.report.comparison_table import comparison_grid
from benchmark.results.report.formats import to_markdown
from benchmark.results.store import ResultsStore
from tests.door import door

main = partial(door, "compare")

SPEAKERS = [f"s{number}" for number in range(8)]


def scores(metric, values, weight=None):
    names = [f"{speaker}-{number}" for speaker in SPEAKERS for number in (0, 1)]
    frame = pd.DataFrame({"utterance_id": names, "speaker_id": np.repeat(SPEAKERS, 2), metric: values})
    if weight is not None:
        frame[f"{metric}:weight"] = weight
    return frame


@pytest.fixture
def sides(make_row):
    """Return PESQ of two tokenizers: B is better by 0.5 everywhere, and lacks one score."""
    worse = np.linspace(1.0, 2.0, 16)
    better = worse + 0.5
    better[3] = np.nan
    return [
        Side(
            name,
            [make_row(tokenizer=name, metric="pesq", value=1.0, artifacts=[])],
            lambda row, v=values: scores("pesq", v),
        )
        for name, values in (("a", worse), ("b", better))
    ]


def test_a_constant_difference_is_found_whatever_the_spread(sides):
    (found,) = compare(*sides, by_tokenizer=False).differences
    assert found.difference == pytest.approx(0.5) and found.second - found.first == pytest.approx(0.5)
    assert (found.lo, found.hi) == (pytest.approx(0.5), pytest.approx(0.5))
    assert (found.n_pairs, found.n_failed, found.n_clusters) == (15, 1, 8)
    assert found.p_value == found.adjusted == 2 / 2**8 and found.better == "B"
    (turned,) = compare(*reversed(sides), by_tokenizer=False).differences
    assert turned.difference == pytest.approx(-0.5) and turned.better == "A"


def test_the_paired_interval_is_that_of_the_differences_and_narrower_than_unpaired_ones():
    rng = np.random.default_rng(0)
    first = rng.normal(size=40)
    second = first + rng.normal(scale=0.1, size=40) + 0.2
    paired, means = difference_interval(second, first), mean_interval(second - first)
    assert paired.value == pytest.approx(means.value)
    assert (paired.lo, paired.hi) == (pytest.approx(means.lo), pytest.approx(means.hi))
    single = mean_interval(first)
    assert paired.hi - paired.lo < 0.3 * (single.hi - single.lo)
    assert np.isnan(difference_interval([1.0], [2.0]).lo)


def test_a_ratio_is_compared_over_its_sums():
    edits, words = np.array([1.0, 0.0, 3.0, 2.0]), np.array([5.0, 5.0, 10.0, 20.0])
    found = difference_interval(edits, np.zeros(4), units=(words, words))
    assert found.value == pytest.approx(6 / 40)
    assert (found.lo, found.hi) == tuple(
        pytest.approx(bound) for bound in (ratio_interval(edits, words).lo, ratio_interval(edits, words).hi)
    )


def test_holm_counts_all_metrics(sides, make_row):
    for side in sides:
        metrics = ("pesq", "stoi")
        side.rows[:] = [replace(side.rows[0], metric=metric) for metric in metrics]
    both = [
        replace(side, utterances=lambda row, s=side: s.utterances(row).rename(columns={"pesq": row.metric}))
        for side in sides
    ]
    found = compare(*both, by_tokenizer=False).differences
    assert [each.adjusted for each in found] == [4 / 2**8] * 2


def trained(side, seeds, noise=0.0):
    """Return a side with a vocoder per seed, whose level differs by `noise` from one seed to the next."""
    rows = [replace(side.rows[0], seed=n, artifacts=[f"vocoders/{side.name}{n}"]) for n in range(seeds)]
    return Side(
        side.name,
        rows,
        lambda row: side.utterances(row).assign(
            pesq=lambda f: f["pesq"] + noise * (row.seed - (seeds - 1) / 2)
        ),
    )


def test_no_side_is_better_with_fewer_than_three_trainings(sides):
    for pair, seeds in (
        ((trained(sides[0], 1), trained(sides[1], 1)), "1 / 1"),
        ((trained(sides[0], 2), trained(sides[1], 3)), "2 / 3"),
        ((trained(sides[0], 1), sides[1]), "1 / –"),
    ):
        outcome = compare(*pair, by_tokenizer=False)
        (found,) = outcome.differences
        assert found.p_value < 0.01 and not found.better and np.isnan(found.adjusted)
        text = to_markdown(comparison_grid(outcome))
        assert f"| {seeds} | –      |" in text and "**" not in text
        assert "- Never bold: everything (" in text and "not of tokenizers; run seed=0,1,2)." in text


def test_trainings_widen_a_difference_and_its_p_value(sides):
    alike, unlike = (
        compare(trained(sides[0], 3, noise), trained(sides[1], 3, noise), by_tokenizer=False).differences[0]
        for noise in (0.01, 0.4)
    )
    assert alike.difference == pytest.approx(0.5) and alike.better == "B"
    assert unlike.difference == pytest.approx(0.5) and not unlike.better and unlike.p_value > 0.05
    # Welch's t test of 0, 0.4, 0.8 against 0.5, 0.9, 1.3: no speaker differs from another.
    welch = ttest_ind([0.0, 0.4, 0.8], [0.5, 0.9, 1.3], equal_var=False)
    assert unlike.p_value == pytest.approx(welch.pvalue)
    bounds = welch.confidence_interval()
    assert (unlike.lo, unlike.hi) == (pytest.approx(-bounds.high), pytest.approx(-bounds.low))


def test_what_cannot_be_better_counts_for_nothing_in_holm(sides):
    first, second = sides
    for side in (first, second):
        one_training = replace(side.rows[0], task="asr_probe", artifacts=[f"probes/{side.name}"])
        side.rows.append(one_training)
    found = {each.about[0]: each for each in compare(first, second, by_tokenizer=False).differences}
    assert found["reconstruction"].adjusted == found["reconstruction"].p_value
    assert np.isnan(found["asr_probe"].adjusted)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"metric_key": "v2"}, "taken in two ways"),
        ({"definition": "by CREPE"}, "defined in two ways: corpus WER, Whisper tiny.en / by CREPE"),
        ({"status": "NC", "reason": "floor"}, "b is NC: floor"),
        ({"dataset": "libri"}, "only a has it"),
    ],
)
def test_what_is_not_comparable_is_refused_with_its_reason(sides, change, reason):
    sides[1].rows[0] = replace(sides[1].rows[0], **change)
    with pytest.raises(UserError, match=reason):
        compare(*sides, by_tokenizer=False)


def test_profiles_are_never_compared(sides):
    sides[1].rows[0] = replace(sides[1].rows[0], profile="libri")
    with pytest.raises(UserError, match="profiles libri and mini"):
        compare(*sides, by_tokenizer=False)


def test_the_table_says_what_was_compared_and_what_was_not(sides, make_row):
    sides[0].rows.append(make_row(tokenizer="a", metric="stoi", value=0.9))
    text = to_markdown(comparison_grid(compare(*sides, by_tokenizer=False)))
    assert "### b against a, profile mini" in text and "| **+0.50** [+0.50, +0.50] |" in text
    assert "- Not compared: reconstruction × synthetic/test × stoi: only a has it." in text
    assert "Utterances without a score of both: PESQ 1." in text


@pytest.fixture
def folder(tmp_path, make_row):
    """Write a results folder of two tokenizers, WER in both forms: a weighted mean, and the sums
    of a probe.
    """
    store = ResultsStore(tmp_path / "mini")
    for name, edits in (("a", 0.0), ("b", 1.0)):
        row = make_row(tokenizer=name, metric="wer", value=edits, artifacts=[])
        store.write([row], scores("wer", 10 * edits, weight=10.0))
        probe = make_row(tokenizer=name, task="asr_probe", metric="probe_wer", value=edits, artifacts=[])
        frame = scores("words_wrong", edits)
        frame["words"] = 10.0
        store.write([probe], frame)
    return store.root


def test_the_command_compares_tokenizers_of_a_folder(folder, capsys):
    assert main(["a", "b", "--results", str(folder)]) == 0
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("|")][2:]
    assert [line.split("|")[1].strip() for line in lines] == ["asr_probe", "reconstruction"]
    assert all("**+10.0** [+10.0, +10.0]" in line for line in lines)  # per cent, both
    assert main(["a", "b", "--results", str(folder), "--metric", "wer", "--tex"]) == 0
    assert r"\begin{tabular}" in capsys.readouterr().out


def test_the_command_compares_folders_tokenizer_by_tokenizer(folder, capsys):
    assert main([str(folder), str(folder)]) == 0
    said = capsys.readouterr().out
    assert said.count("+0.0 [+0.0, +0.0]") == 4 and "**" not in said


def test_mistakes_get_a_sentence(folder, tmp_path, capsys):
    assert main(["a", "c", "--results", str(folder)]) == 1
    assert "'c' is neither a results folder nor a tokenizer" in capsys.readouterr().err
    assert main(["a", str(folder)]) == 1
    assert "one is a results folder" in capsys.readouterr().err


def test_a_number_without_a_score_on_many_utterances_is_not_compared(sides):
    first, second = sides
    few = replace(second, rows=[replace(second.rows[0], n_scored=50, n_failed=2, n_abstained=8)])
    with pytest.raises(
        UserError, match="b has no score on more than 10%: 2 of 60 utterances failed, 8 abstained"
    ):
        compare(first, few, by_tokenizer=False)
