"""Tests of length reduction: rates and bits that hang together, reasons for missing ones, the same twice."""

from dataclasses import replace
from pathlib import Path

import pytest

from benchmark.errors import UserError
from benchmark.jobs.job import Job
from benchmark.results.report.write import write_report
from benchmark.results.row import Row
from benchmark.results.store import ResultsStore
from benchmark.storage.artifacts import ArtifactStore
from benchmark.tasks.base import RunContext
from benchmark.tokenizers.constant import Constant
from benchmark.tokenizers.reduction.byte_pairs import BytePairs
from tests.tasks.conftest import PITCH, Halves
from tests.tasks.loudness import Loudness, Samples, task, values


def test_samples_are_no_tokens(halves: Halves, context: RunContext) -> None:
    samples = Samples(name="samples")
    outcome = task().run(samples, halves, context)
    assert (outcome.status, outcome.measures) == ("n/a", [])
    assert outcome.reason == "16000 frames per second are samples, not tokens to reduce"
    assert task().encodes(samples, halves, context.store) == []


def test_rates_fall_and_durations_cost_bits(halves: Halves, context: RunContext) -> None:
    outcome = task().run(Loudness(name="loud"), halves, context)
    found, curve = values(outcome), outcome.notes["rates_by_vocabulary"]
    assert curve["vocabulary"] == [12, 20, 40] and curve["dedup_bpe"].pop() is None
    for name in ("bpe", "dedup_bpe"):
        assert curve[name] == sorted(curve[name], reverse=True) and curve[name][-1] < curve[name][0]
    assert curve["bpe"] == pytest.approx([found[n] for n in ("rate_codes", "rate_bpe_20", "rate_bpe_40")])
    # Merges of the deduplicated codes end at 20 tokens.
    assert curve["dedup_bpe"] == pytest.approx([found["rate_dedup"], found["rate_dedup_bpe_40"]])
    assert found["rate_dedup"] < found["rate_codes"]
    assert found["bits_dedup"] < found["bits_runs"]
    intervals = {measure.metric: measure.interval for measure in outcome.measures}
    assert intervals["rate_dedup"].lo < found["rate_dedup"] < intervals["rate_dedup"].hi
    assert (intervals["rate_dedup"].n_scored, intervals["rate_dedup"].n_failed) == (len(PITCH), 0)


def test_a_vocabulary_below_the_own_one_has_a_reason(halves: Halves, context: RunContext) -> None:
    outcome = task().run(Loudness(name="loud"), halves, context)
    assert outcome.statuses == {
        "rate_bpe_10": ("n/a", "12 codes are tokens already, more than the vocabulary of 10")
    }
    outcome = task(vocabularies=[5, 11]).run(Loudness(name="loud"), halves, context)
    assert set(outcome.statuses) == {"rate_bpe_5", "rate_bpe_11", "rate_dedup_bpe_11", "bits_bpe"}
    assert {"rate_codes", "rate_dedup", "bits_runs"} <= values(outcome).keys()
    assert outcome.notes["rates_by_vocabulary"]["vocabulary"] == [12]


def test_merges_that_end_early_are_remarked(halves: Halves, context: RunContext) -> None:
    outcome = task(vocabularies=[14, 9000]).run(Loudness(name="loud"), halves, context)
    remarks = {measure.metric: measure.remark for measure in outcome.measures}
    (reached,) = outcome.notes["vocabulary_reached"]
    assert 14 < reached < 9000
    assert remarks["rate_bpe_9000"] == remarks["bits_bpe"]
    assert remarks["bits_bpe"] == f"the merges end at {reached:,} tokens: no pair is left that occurs 2 times"
    assert not remarks["rate_bpe_14"] and not remarks["rate_codes"]


def test_codebooks_in_turn_or_apart(halves: Halves, context: RunContext) -> None:
    both, loud = Loudness(name="both", books=2), Loudness(name="loud")
    turns, apart = task(), task(books="apart")
    in_turn, alone = (each.run(both, halves, context) for each in (turns, apart))
    assert values(in_turn)["rate_codes"] == values(alone)["rate_codes"]
    assert values(in_turn)["bits_codes"] == pytest.approx(values(alone)["bits_codes"])
    # A frame repeats less often than a code, so frames whose codes all repeat are the fewest.
    assert (
        values(in_turn)["rate_dedup"]
        > values(alone)["rate_dedup"]
        > values(task().run(loud, halves, context))["rate_dedup"]
    )
    assert in_turn.notes["rates_by_vocabulary"]["vocabulary"][0] == 14
    assert alone.notes["rates_by_vocabulary"]["vocabulary"][0] == 12
    told = {measure.metric: measure.definition for measure in (*in_turn.measures, *alone.measures)}
    assert "a vocabulary of its own" in told["rate_bpe_40"]
    assert (turns.variant(both), apart.variant(both), apart.variant(loud)) == ("", "apart", "")
    keys = [each.identity(both, halves, context) for each in (turns, apart)]
    assert keys[0] != keys[1]
    assert turns.identity(loud, halves, context) == apart.identity(loud, halves, context)


def test_silence_is_one_token(halves: Halves, context: RunContext) -> None:
    outcome = task(vocabularies=[2, 8]).run(Constant(name="constant"), halves, context)
    seconds = sum(u.duration for u in halves.manifest("test", context.store))
    found = values(outcome)
    assert found["rate_dedup"] == pytest.approx(len(PITCH) / seconds)
    assert found["bits_codes"] == found["bits_dedup"] == 0 < found["bits_runs"]
    assert found["rate_bpe_8"] < found["rate_bpe_2"] < 0.6 * found["rate_codes"]


def test_codes_that_do_not_come_back_fail_the_job(
    halves: Halves, context: RunContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    decode = BytePairs.decode
    monkeypatch.setattr(BytePairs, "decode", lambda self, tokens: decode(self, tokens) ^ 1)
    with pytest.raises(RuntimeError, match="byte pairs lost codes"):
        task().run(Loudness(name="loud"), halves, context)


def test_merges_are_learned_from_as_many_codes_as_asked_for(halves: Halves, context: RunContext) -> None:
    loud, some = Loudness(name="loud"), task(train_codes=400)
    train, test = (manifest for _, manifest in some.encodes(loud, halves, context.store))
    whole = halves.manifest("train", context.store)
    assert 300 < 100 * train.hours * 3600 <= 400 < 100 * whole.hours * 3600
    assert len({u.speaker_id for u in train}) == len(train) and len(test) == len(PITCH)
    outcome = some.run(loud, halves, context)
    assert 300 < outcome.notes["train_codes"] <= 400
    assert task().encodes(loud, halves, context.store)[0][1].digest == whole.digest
    for most in range(80, 740, 20):
        drawn = task(train_codes=most).encodes(loud, halves, context.store)[0][1]
        codes = sum(int(100 * u.duration) for u in drawn)
        assert most - 66 - len(drawn) <= codes <= most, "as many as fit, none more"


def test_the_same_numbers_and_merges_each_time(halves: Halves, context: RunContext, tmp_path: Path) -> None:
    again = replace(context, store=ArtifactStore(tmp_path / "again"))
    first, second = (task().run(Loudness(name="loud"), halves, each) for each in (context, again))
    assert first.utterances.equals(second.utterances) and values(first) == values(second)
    one, two = (
        {path.name: path.read_bytes() for path in each.store.root.glob("merges/*/0/*.json")}
        for each in (context, again)
    )
    assert one == two and set(one) == {"whole.json", "short.json"}


@pytest.mark.parametrize("sizes", [[], [4, 2], [2, 2], [0, 5], [5, 2_000_000]])
def test_impossible_vocabularies_are_refused(sizes: list[int]) -> None:
    with pytest.raises(UserError, match=r"task.vocabularies=.* must be ascending sizes from 1 to 1,048,576"):
        task(vocabularies=sizes)


def test_other_arguments_are_checked() -> None:
    with pytest.raises(UserError, match=r"unknown task\.books 'apar'\. Did you mean 'apart'"):
        task(books="apar")
    with pytest.raises(UserError, match=r"task\.train_codes=0 must be at least 1"):
        task(train_codes=0)


def test_rows_make_a_table_a_figure_and_a_section(
    halves: Halves, context: RunContext, tmp_path: Path
) -> None:
    results = ResultsStore(tmp_path / "results")
    for tokenizer in (Loudness(name="loud"), Loudness(name="both", books=2)):
        Job(
            profile="mini",
            tokenizer=tokenizer,
            corpus=halves,
            task=task(),
            context=context,
            results=results,
            config={},
        ).run()
    rows: dict[tuple[str, str], Row] = {(row.tokenizer, row.metric): row for row in results.rows()}
    assert rows["loud", "rate_bpe_10"].status == "n/a" and rows["loud", "rate_bpe_40"].status == "ok"
    assert any(name.startswith("merges/") for name in rows["loud", "rate_bpe_40"].artifacts)
    assert "length_reduction" in write_report(results.root)
    table = (results.root / "tables" / "length_reduction.md").read_text()
    assert "BPE 40 (Hz)" in table and "durations are lost" in table
    assert (results.root / "figures" / "rate_vocabulary.png").is_file()
    assert 'id="reduction-bpe"' in (results.root / "report.html").read_text()
