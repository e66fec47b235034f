from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmark.results import older_rows
from benchmark.results.report.best_in_column import hold_contest
from benchmark.results.report.cells import combine
from benchmark.results.report.formats import to_latex, to_markdown
from benchmark.results.report.grid import make_grid
from benchmark.results.report.layouts import counts_of
from benchmark.results.report.paired_scores import scores_of
from benchmark.results.report.tables import make_table
from benchmark.results.store import ResultsStore

MANY, FEW = 12, 6
SHOWN = older_rows.METRICS


def scores(column, by_speaker, weight=None, **more):
    """Return two utterances per speaker, both with the speaker's score."""
    speakers = np.repeat([f"s{n:02d}" for n in range(len(by_speaker))], 2)
    frame = {"utterance_id": [f"{s}-{n}" for n, s in enumerate(speakers)], "speaker_id": speakers}
    frame[column] = np.repeat(by_speaker, 2).astype(float)
    return pd.DataFrame(frame | ({f"{column}:weight": weight} if weight else {}) | more)


@pytest.fixture
def contest(make_row):
    """Hold the contest of one metric, given the scores of each tokenizer, or of each of its trainings."""

    def hold(frames, metric="pesq", **facts):
        rows, jobs = [], {}
        for name, seeds in frames.items():
            for seed, frame in enumerate(seeds if isinstance(seeds, list) else [seeds]):
                column = frame.columns[2]
                common = {"tokenizer": name, "seed": seed, "metric": metric, "value": frame[column].mean()}
                trained = [f"vocoders/{name}{seed}"] if isinstance(seeds, list) else []
                rows.append(make_row(**common | {"artifacts": trained} | facts.get(name, {})))
                jobs[name, seed] = frame
        table = make_table("reconstruction", rows)
        result = hold_contest(table, lambda row: jobs[row.tokenizer, row.seed])
        return {table.lines[place].tokenizer for place, _ in result.best}, result

    return hold


GOOD, BAD = np.full(MANY, 2.0), np.full(MANY, 1.0)
MIXED = np.where(np.arange(MANY) % 2, 2.5, 1.4)
"""Scores that are worse than `GOOD` on average, but better for every other speaker."""


def test_the_best_of_all_is_marked_and_only_it(contest):
    assert contest({"a": scores("pesq", GOOD), "b": scores("pesq", BAD)})[0] == {"a"}
    three = {"a": scores("pesq", GOOD), "b": scores("pesq", BAD), "c": scores("pesq", BAD - 0.5)}
    assert contest(three)[0] == {"a"}
    assert contest({**three, "c": scores("pesq", MIXED)})[0] == set()  # not surely better than c


def test_lower_is_better_where_the_metric_says_so(contest):
    frames = {"a": scores("wer", GOOD, weight=10.0), "b": scores("wer", BAD, weight=10.0)}
    assert contest(frames, "wer")[0] == {"b"}


def test_weights_count(contest):
    """Let a single long utterance per speaker decide, although the short ones say otherwise."""
    short_and_long = np.tile([1.0, 100.0], MANY)
    good, bad = (scores("wer", GOOD, weight=1.0).assign(**{"wer:weight": short_and_long}) for _ in "ab")
    good["wer"], bad["wer"] = np.tile([9.0, 1.0], MANY), np.tile([0.0, 2.0], MANY)
    assert contest({"a": good, "b": bad}, "wer", a={"value": 1.1}, b={"value": 2.0})[0] == {"a"}
    unweighted = {name: frame.drop(columns="wer:weight") for name, frame in {"a": good, "b": bad}.items()}
    assert contest(unweighted, "wer", a={"value": 1.1}, b={"value": 2.0})[0] == set()


def test_nothing_is_marked_where_none_is_better(contest):
    none, result = contest({"a": scores("pesq", GOOD), "b": scores("pesq", GOOD)})
    assert none == set() and result.columns == ["PESQ"] and not result.undecided


def test_anchors_and_what_did_not_converge_do_not_compete(contest):
    frames = {"a": scores("pesq", GOOD), "b": scores("pesq", BAD), "c": scores("pesq", GOOD + 1)}
    for kind in ("topline", "classical", "floor"):
        assert contest(frames, c={"kind": kind})[0] == {"a"}
    for status in ("NC", "failed", "n/a"):
        assert contest(frames, c={"status": status, "reason": "no"})[0] == {"a"}
    alone, result = contest({"a": frames["a"], "b": frames["b"]}, b={"kind": "floor"})
    assert alone == set() and result.columns == []


def test_a_metric_without_direction_is_not_marked(contest):
    frames = {"a": scores("perplexity", GOOD), "b": scores("perplexity", BAD)}
    marked, result = contest(frames, "perplexity")
    assert marked == set() and result.columns == []


def test_better_than_every_other_needs_no_correction_for_their_number(contest):
    # Of nine speakers eight prefer a and one b: 2 (1 + 9) / 2 ** 9 = 0.039, the same for c and for d.
    near = np.where(np.arange(9) == 0, 3.0, 1.0)
    frames = {"a": scores("pesq", np.full(9, 2.0)), "b": scores("pesq", near)}
    assert contest(frames)[0] == {"a"}
    alike = {name: scores("pesq", np.where(np.arange(9) == at, 3.0, 1.0)) for at, name in enumerate("cd", 1)}
    assert contest(frames | alike)[0] == {"a"}
    # Two speakers prefer e: 2 (1 + 9 + 36) / 2 ** 9 = 0.18, and the largest p decides.
    assert contest(frames | {"e": scores("pesq", np.where(np.arange(9) < 2, 3.0, 1.0))})[0] == set()


def test_few_speakers_are_said_to_be_too_few(contest):
    frames = {name: scores("pesq", np.full(FEW, value)) for name, value in {"a": 3, "b": 2, "c": 1}.items()}
    assert contest(frames)[0] == {"a"}  # 0.031 each
    five, one = (
        contest({name: frame[frame["speaker_id"] <= last] for name, frame in frames.items()})
        for last in ("s04", "s00")
    )
    assert five[0] == one[0] == set()
    assert five[1].undecided == {"5 speakers allow no p-value below 0.0625": ["PESQ"]}
    assert one[1].undecided == {"one speaker allows no p-value below 1": ["PESQ"]}


def test_utterances_that_either_failed_on_do_not_count(contest):
    good, bad = scores("pesq", GOOD), scores("pesq", BAD)
    bad.loc[bad["speaker_id"] < "s04", "pesq"] = np.nan
    assert contest({"a": good, "b": bad})[0] == {"a"}
    bad.loc[bad["speaker_id"] < "s07", "pesq"] = np.nan  # 5 of 12 speakers are left
    assert "5 speakers" in "".join(contest({"a": good, "b": bad})[1].undecided)
    bad["pesq"] = [np.nan] * 23 + [1.0]
    good.loc[23, "pesq"] = np.nan
    assert contest({"a": good, "b": bad})[1].undecided == {
        "two tokenizers have no scored utterance in common": ["PESQ"]
    }
    assert (
        contest({"a": scores("pesq", GOOD), "b": scores("pesq", BAD)[:4]})[0] == set()
    )  # rows may lack, too


def test_a_lead_that_the_common_utterances_deny_is_none(contest):
    good, bad = scores("pesq", GOOD), scores("pesq", BAD)
    bad.loc[bad["speaker_id"] == "s00", "pesq"] = 100.0  # and there the better one failed
    good.loc[good["speaker_id"] == "s00", "pesq"] = np.nan
    marked, result = contest({"a": good, "b": bad})
    assert marked == set() and not result.undecided


def test_seeds_are_averaged_per_utterance(contest, make_row):
    # Every seed of a loses on half of the speakers, all together on none.
    seeds = [scores("pesq", np.where(np.arange(MANY) % 2 == turn, 0.5, 2.5)) for turn in (0, 1, 0, 1)]
    other = scores("pesq", BAD)
    assert contest({"a": seeds, "b": other})[0] == {"a"}
    assert contest({"a": seeds[0], "b": other})[0] == set()
    seeds[1].loc[3, "pesq"] = np.nan
    cell = combine(make_row(metric="pesq", seed=seed) for seed in (0, 1))
    found = scores_of(cell, lambda row: seeds[row.seed])
    assert found.above.mean(axis=1, skipna=False).dropna().tolist() == [1.5] * 23
    assert (found.below == 1.0).all(axis=None) and found.below.shape == (24, 2)


NETWORKS = "the tests would tell of these trained networks, not of tokenizers; run seed=0,1,2"


def test_nothing_is_marked_with_fewer_than_three_trainings_behind_a_number(contest):
    good, bad = scores("pesq", GOOD), scores("pesq", BAD)
    for trained, seeds in ((1, "one training seed"), (2, "2 training seeds")):
        for frames in ({"a": [good] * trained, "b": bad}, {"a": good, "b": [bad] * trained, "c": [bad] * 3}):
            marked, result = contest(frames)
            assert marked == set() and result.undecided == {f"{seeds}: {NETWORKS}": ["PESQ"]}
    assert contest({"a": [good] * 3, "b": [bad] * 3})[0] == {"a"}
    assert contest({"a": [good] * 3, "b": bad})[0] == {"a"}  # b has published weights


def test_seeds_that_share_their_trainings_count_once(contest):
    frames = {"a": [scores("pesq", GOOD)] * 3, "b": scores("pesq", BAD)}
    assert contest(frames, a={"artifacts": ["tokens/1", "vocoders/1"]})[0] == set()
    assert contest(frames, a={"artifacts": ["tokens/1", "resynthesis/1"]})[0] == {"a"}


def test_two_sets_of_trainings_of_one_tokenizer_are_hardly_ever_told_apart(contest):
    """Draw the seeds of both sides alike; a test over speakers alone would be sure every other time."""
    rng, marked, alone = np.random.default_rng(0), 0, 0
    for _ in range(100):
        hard = rng.normal(2, 1, MANY)
        seeds = [scores("pesq", hard + rng.normal(0, 0.3) + rng.normal(0, 0.3, MANY)) for _ in range(6)]
        marked += bool(contest({"a": seeds[:3], "b": seeds[3:]})[0])
        alone += bool(contest({"a": seeds[0], "b": seeds[3]})[0])
    assert marked <= 5 and alone > 40


def test_what_cannot_be_compared_is_said(contest):
    frames = {"a": scores("pesq", GOOD), "b": scores("pesq", BAD)}
    marked, result = contest({"a": frames["a"], "b": frames["b"].rename(columns={"pesq": "code"})})
    assert marked == set() and result.undecided == {"no scores per utterance to compare": ["PESQ"]}
    marked, result = contest(frames, b={"definition": "narrowband"})
    assert marked == set() and result.undecided == {"not defined alike for all tokenizers": ["PESQ"]}


def test_null_columns_are_marked_no_more_often_than_the_level(contest):
    rng, marked, planted, trials = np.random.default_rng(0), 0, 0, 40
    for _ in range(trials):
        hard = rng.normal(2, 1, MANY)
        frames = {name: scores("pesq", hard + rng.normal(0, 0.3, MANY)) for name in "abc"}
        marked += bool(contest(frames)[0])
        frames["b"]["pesq"] += 1.0
        planted += contest(frames)[0] == {"b"}
    assert marked / trials <= 0.1
    assert planted / trials >= 0.95


def test_heads_side_by_side_are_told_apart(make_row, monkeypatch):
    monkeypatch.setattr(older_rows, "METRICS", SHOWN)

    def job(words, phones):
        frame = scores("probe_wer:words_wrong", words)
        frame["phone_error:frames_wrong"] = np.repeat(phones, 2)
        return frame.assign(**{"probe_wer:words": 10.0, "phone_error:frames": 50.0})

    jobs = {"a": job(BAD, GOOD), "b": job(GOOD, BAD)}
    values = {("a", "probe_wer"): 1, ("b", "probe_wer"): 2, ("a", "phone_error"): 2, ("b", "phone_error"): 1}
    facts = {"task": "ctc_ablation", "definition": "", "artifacts": []}
    rows = [make_row(tokenizer=n, metric=m, value=value, **facts) for (n, m), value in values.items()]
    table = make_table("ctc_ablation", rows)
    best = hold_contest(table, lambda row: jobs[row.tokenizer]).best
    assert {(table.lines[place].tokenizer, m) for place, m in best} == {
        ("a", "probe_wer"),
        ("b", "phone_error"),
    }


def test_a_condition_counts_its_own_utterances(make_row):
    conditions = ["same_gender", "cross_gender"] * MANY
    jobs = {
        "a": scores("secs", GOOD, condition=conditions),
        "b": scores("secs", BAD, condition=conditions),
    }
    jobs["b"].loc[jobs["b"]["condition"] == "cross_gender", "secs"] = 2.0
    rows = [
        make_row(
            task="voice_conversion",
            tokenizer=name,
            metric=f"secs/{condition}",
            value=value,
            artifacts=[],
            display={"label": "SECS", "unit": "", "higher_is_better": True, "decimals": 3, "place": 0},
        )
        for name, value in {"a": 0.9, "b": 0.8}.items()
        for condition in ("same_gender", "cross_gender")
    ]
    table = make_table("voice_conversion_conditions", rows)
    best = hold_contest(table, lambda row: jobs[row.tokenizer]).best
    assert {(table.lines[place].tokenizer, m) for place, m in best} == {("a", "secs/same_gender")}


def test_every_corpus_has_a_contest_of_its_own(make_row):
    jobs = {("a", "one"): GOOD, ("b", "one"): BAD, ("a", "two"): BAD[:5], ("b", "two"): GOOD[:5]}
    jobs |= {("c", "one"): BAD, ("c", "two"): BAD[:5]}
    rows = [
        make_row(tokenizer=name, dataset=dataset, metric="pesq", value=values.mean(), artifacts=[])
        for (name, dataset), values in jobs.items()
    ]
    table = make_table("reconstruction", rows)
    result = hold_contest(table, lambda row: scores("pesq", jobs[row.tokenizer, row.dataset]))
    assert {(table.lines[place].tokenizer, table.lines[place].dataset) for place, _ in result.best} == {
        ("a", "one")
    }
    assert list(result.undecided.values()) == [["PESQ on two/test"]]


def test_bold_is_in_markdown_and_latex_where_it_must_be_and_explained(rows, utterances):
    table = make_table("reconstruction", rows)
    grid = make_grid(table, hold_contest(table, utterances))
    bold = [(row[0].value, grid.header[place]) for row in grid.body for place, e in enumerate(row) if e.bold]
    assert bold == [("mel_rvq_8", "WER (%) ↓")]  # opus and the topline are better, and PESQ is undecided
    assert "**10.0** [8.0, 11.0]" in to_markdown(grid) and to_markdown(grid).count("**") == 2
    assert r"\textbf{10.0} [8.0, 11.0]" in to_latex(grid) and to_latex(grid).count("textbf") == 1
    assert "p ≤ 0.05 in each paired test" in to_markdown(grid)
    assert "interchangeable, not that means are equal" in to_markdown(grid)
    assert "- Never bold: GPE (no scores per utterance to compare)." in to_markdown(grid)
    nothing = make_grid(table, hold_contest(table, lambda row: pd.DataFrame()))
    assert "- Nothing can be bold here: no scores per utterance to compare." in to_markdown(nothing)
    assert "**" not in to_markdown(nothing) and "Bold" not in to_markdown(make_grid(table))
    usage = make_table("codebook_usage", rows)
    assert "old" not in to_markdown(make_grid(usage, hold_contest(usage, utterances)))


MINI = ResultsStore(Path(__file__).parents[3] / "results" / "reference" / "mini")


@pytest.mark.parametrize("task", ["reconstruction", "voice_conversion", "asr_probe", "intent_probe"])
def test_the_scores_compared_are_those_that_the_rows_sum_up(task):
    checked = 0
    for row in MINI.rows():
        if row.task == task and row.status == "ok":
            frame = scores_of(
                combine([row]), lambda r: MINI.utterances(r.task, r.tokenizer, r.dataset, r.seed)
            )
            scored = pd.concat([frame.above, frame.below], axis=1).dropna().to_numpy()
            value = scored[:, 0].sum() / scored[:, 1].sum()
            scale = 100 if counts_of(row.metric.partition("/")[0], [row]) else 1
            assert row.value == pytest.approx(value * scale)
            assert row.n_scored == len(scored)
            checked += 1
    assert checked >= 8


def test_numbers_without_a_score_on_many_utterances_do_not_compete(contest):
    frames = {"a": scores("pesq", GOOD), "b": scores("pesq", BAD), "c": scores("pesq", BAD - 0.5)}
    for missing in ({"n_failed": 7}, {"n_abstained": 7}, {"n_failed": 4, "n_abstained": 3}):
        marked, result = contest(frames, a={"n_scored": 53, **missing})
        assert marked == {"b"} and result.barred == ["PESQ of a"]
    marked, result = contest(frames, a={"n_scored": 54, "n_failed": 3, "n_abstained": 3})
    assert marked == {"a"} and not result.barred
