"""Tests of length reduction: rates and bits reckoned by hand, reasons for missing ones, the same twice."""

from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from benchmark.data.manifest import Manifest
from benchmark.errors import UserError
from benchmark.jobs.job import Job
from benchmark.metrics.codes.code_lengths import order_0_bits
from benchmark.results.report.write import write_report
from benchmark.results.row import Row
from benchmark.results.store import ResultsStore
from benchmark.storage.artifacts import ArtifactStore
from benchmark.storage.token_store import TokenStore
from benchmark.tasks.base import Outcome, RunContext
from benchmark.tasks.length_reduction import LengthReduction
from benchmark.tokenizers.base import Tokenizer
from benchmark.tokenizers.constant import Constant
from benchmark.tokenizers.encoding.encode import encode_manifest
from benchmark.tokenizers.reduction.byte_pairs import BytePairs
from benchmark.types import TokenizerSpec
from tests.tasks.conftest import PITCH, Voices

HOP = 160


@dataclass(kw_only=True)
class Loudness(Tokenizer):
    """A tokenizer of 100 Hz: loudness in 12 steps and, in a second codebook, whether the wave goes up."""

    books: int = 1

    @property
    def spec(self) -> TokenizerSpec:
        return TokenizerSpec(
            name=self.name,
            kind="acoustic",
            sample_rate=16_000,
            frame_rate=100,
            codebook_sizes=(12, 2)[: self.books],
            causal=True,
            can_decode=False,
            supports_padding=True,
        )

    def _encode(self, wav: torch.Tensor, lengths: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        frames = wav.unfold(1, HOP, HOP)
        power = frames.square().mean(-1)
        level = (120 * power).round().clamp(0, 11)
        return torch.stack((level, frames[..., -1] > frames[..., 0]), 1).long()[
            :, : self.books
        ], lengths // HOP


class Halves(Voices):
    """The last recording of each speaker is the test split, and the two before are the train split."""

    def build(self, split: str, folder: Path) -> Manifest:
        return Manifest(
            u for u in super().build(split, folder) if u.utterance_id.endswith("-2") is (split == "test")
        )


@pytest.fixture
def halves(voices: Voices) -> Halves:
    return Halves(name="halves", folder=voices.folder)


def task(**arguments: Any) -> LengthReduction:
    return LengthReduction(**{"name": "length_reduction", "vocabularies": [10, 20, 40], **arguments})


def values(outcome: Outcome) -> dict[str, float]:
    return {measure.metric: measure.interval.value for measure in outcome.measures}


def tokens_of(tokenizer: Tokenizer, corpus: Voices, split: str, context: RunContext) -> TokenStore:
    return encode_manifest(tokenizer, corpus.manifest(split, context.store), context.store)


def test_rates_as_counted_by_hand(halves: Halves, context: RunContext) -> None:
    loud = Loudness(name="loud")
    found = values(task().run(loud, halves, context))
    train, test = (
        [list(tokens[name][0]) for name in tokens]
        for tokens in (tokens_of(loud, halves, split, context) for split in ("train", "test"))
    )
    seconds = sum(u.duration for u in halves.manifest("test", context.store))
    runs = [[(code, len(list(run))) for code, run in groupby(codes)] for codes in test]
    assert found["rate_codes"] == pytest.approx(sum(map(len, test)) / seconds)
    assert found["rate_dedup"] == pytest.approx(sum(map(len, runs)) / seconds)
    merges = BytePairs.learn(map(np.array, train), 12, 40)
    for size in (20, 40):
        count = sum(len(merges.first(size).encode(np.array(codes))) for codes in test)
        assert found[f"rate_bpe_{size}"] == pytest.approx(count / seconds)
    short = BytePairs.learn([np.array([code for code, _ in groupby(codes)]) for codes in train], 12, 40)
    count = sum(len(short.encode(np.array([code for code, _ in utterance]))) for utterance in runs)
    assert found["rate_dedup_bpe_40"] == pytest.approx(count / seconds)
    bits = order_0_bits(np.bincount(np.concatenate(train), minlength=12), (12,))
    assert found["bits_codes"] == pytest.approx(bits[np.concatenate(test)].sum() / seconds / 1000)


def test_rates_fall_and_durations_cost_bits(halves: Halves, context: RunContext) -> None:
    outcome = task().run(Loudness(name="loud"), halves, context)
    found, curve = values(outcome), outcome.notes["rates_by_vocabulary"]
    assert curve["vocabulary"] == [12, 20, 40]
    for name in ("bpe", "dedup_bpe"):
        assert curve[name] == sorted(curve[name], reverse=True) and curve[name][-1] < curve[name][0]
    assert curve["bpe"] == pytest.approx([found[n] for n in ("rate_codes", "rate_bpe_20", "rate_bpe_40")])
    assert curve["dedup_bpe"][::2] == pytest.approx([found["rate_dedup"], found["rate_dedup_bpe_40"]])
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
