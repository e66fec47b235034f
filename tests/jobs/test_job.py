"""Tests that a job runs once, records why it failed, and never destroys existing results."""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import pytest
import soundfile
import torch

from benchmark.data.audio import header
from benchmark.data.corpora.base import Corpus
from benchmark.data.manifest import Manifest
from benchmark.errors import UserError
from benchmark.jobs.job import Job
from benchmark.jobs.stages import run_stage
from benchmark.metrics.codes.code_metrics import CodeEntropy, UsedEntries
from benchmark.metrics.reported import ReportedMetric
from benchmark.metrics.statistics.intervals import mean_interval
from benchmark.results.row import Row
from benchmark.results.store import ResultsStore
from benchmark.storage import shards
from benchmark.storage.artifacts import ArtifactStore
from benchmark.tasks.base import Measure, Outcome, RunContext, Task, not_applicable
from benchmark.tokenizers.base import Tokenizer
from benchmark.tokenizers.encoding.encode import encode_manifest
from benchmark.tokenizers.ground_truth import GroundTruth
from benchmark.training.trainer import TrainerConfig
from benchmark.types import TokenizerSpec, Utterance


@dataclass(kw_only=True)
class Clips(Corpus):
    """A corpus of four noise clips in a folder that a test may remove."""

    root: str
    rate: int = 16_000

    def identity(self, split: str) -> dict[str, Any]:
        if not Path(self.root).is_dir():
            raise UserError(f"no folder {self.root}")
        return {"split": split}

    def build(self, split: str, folder: Path) -> Manifest:
        rng = np.random.default_rng(0)
        utterances = []
        for number in range(4):
            path = Path(self.root) / f"{number}.wav"
            soundfile.write(path, 0.1 * rng.standard_normal(self.rate // 5), self.rate)
            utterances.append(Utterance(f"u{number}", str(path), f"s{number % 2}", *header(path)))
        return Manifest(utterances)


@dataclass(kw_only=True)
class Loudness(Task):
    """A task that scores the mean absolute code and records its runs."""

    reports: ClassVar[Mapping[str, ReportedMetric]] = {"used": UsedEntries()}
    runs: ClassVar[list[str]] = []

    offset: float = 0.0

    def reads(self, tokenizer: Tokenizer, corpus: Corpus) -> tuple[str, ...]:
        return ("test",)

    def run(self, tokenizer: Tokenizer, corpus: Corpus, context: RunContext) -> Outcome:
        self.runs.append(tokenizer.name)
        test = corpus.manifest("test", context.store)
        tokens = encode_manifest(tokenizer, test, context.store)
        if self.offset < 0:
            return not_applicable("no negative loudness")
        if self.offset > 9:
            raise ZeroDivisionError("too loud")
        frame = pd.DataFrame({"utterance_id": list(tokens), "speaker_id": "s", "failure": None})
        frame["used"] = [float(np.abs(tokens[name] - 32768).mean()) + self.offset for name in tokens]
        return Outcome(
            measures=[Measure(metric="used", interval=mean_interval(frame["used"]), definition="test")],
            utterances=frame,
        )


@pytest.fixture
def job(tmp_path: Path) -> Any:
    (tmp_path / "clips").mkdir()
    Loudness.runs.clear()

    def make(seed: int = 0, offset: float = 0.0, policy: Any = "only_missing") -> Job:
        return Job(
            profile="mini",
            tokenizer=GroundTruth(name="ground_truth"),
            corpus=Clips(name="clips", root=str(tmp_path / "clips")),
            task=Loudness(name="loudness", offset=offset),
            context=RunContext(
                store=ArtifactStore(tmp_path / "cache"), trainer=TrainerConfig(accelerator="cpu"), seed=seed
            ),
            results=ResultsStore(tmp_path / "results" / "mini"),
            config={"seed": seed},
            policy=policy,
        )

    return make


def rows(job: Job) -> list[Row]:
    return job.results.rows()


def test_runs_once_and_again_only_when_something_changed(job: Any) -> None:
    job().run()
    (first,) = rows(job())
    assert first.status == "ok" and first.n_scored == 4 and first.value is not None and first.value > 0
    job().run()
    assert len(Loudness.runs) == 1
    job(offset=1.0).run()
    assert len(Loudness.runs) == 2
    (second,) = rows(job())
    assert second.value == pytest.approx(first.value + 1.0) and second.key != first.key


@dataclass(kw_only=True)
class Networked(GroundTruth):
    """A tokenizer with a network, whose codes are the same in bfloat16."""

    @property
    def has_network(self) -> bool:
        return True


def test_rows_say_what_the_tokens_were_encoded_in(job: Any) -> None:
    job().run()
    (plain,) = rows(job())
    assert "encode_precision" not in plain.notes
    half = replace(job(), tokenizer=Networked(name="ground_truth", encode_precision="bfloat16"))
    half.run()
    (row,) = rows(half)
    (check,) = row.notes["encode_precision"]
    assert check["used"] == "bfloat16" and check["different"] == 0 < check["codes"]
    single = replace(half, tokenizer=Networked(name="ground_truth"))
    assert row.key == half.key() != single.key()


def test_parts_are_encoded_without_rows_and_the_run_finds_them(
    job: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(shards, "ROWS", 1)
    for part in ("1/3", "2/3", "3/3"):
        run_stage(job(), "encode", part)
    made = list((tmp_path / "cache" / "tokens").glob("*.shards/*/index.arrow"))
    assert len(made) == 4 and not rows(job()) and not Loudness.runs
    with monkeypatch.context() as patch:
        patch.setattr(GroundTruth, "_encode", None)  # nothing is left to encode
        job().run()
    (row,) = rows(job())
    assert row.status == "ok" and row.n_scored == 4
    with pytest.raises(UserError, match=r"part='4/3'"):
        run_stage(job(), "encode", "4/3")


def test_one_part_of_one_is_the_whole(job: Any, tmp_path: Path) -> None:
    run_stage(job(), "encode", "1/1")
    assert [p.name for p in (tmp_path / "cache" / "tokens").glob("*/index.arrow")] == ["index.arrow"]


def test_policy_always_and_an_illegal_one(job: Any) -> None:
    job().run()
    job(policy="always").run()
    assert len(Loudness.runs) == 2
    with pytest.raises(UserError, match="only_missing"):
        job(policy="sometimes").run()


def test_a_deleted_artifact_brings_the_job_back_with_the_same_number(job: Any) -> None:
    job().run()
    (before,) = rows(job())
    shutil.rmtree(job().context.store.root / "tokens")
    job().run()
    (after,) = rows(job())
    assert len(Loudness.runs) == 2 and after.value == before.value


def test_not_applicable_is_a_result(job: Any) -> None:
    job(offset=-1.0).run()
    (row,) = rows(job())
    assert (row.status, row.value, row.reason) == ("n/a", None, "no negative loudness")
    job(offset=-1.0).run()
    assert len(Loudness.runs) == 1


def test_a_failure_is_a_row_and_is_tried_again(job: Any) -> None:
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            job(offset=10.0).run()
    (row,) = rows(job())
    assert row.status == "failed" and "too loud" in row.reason and row.n_scored == 0
    assert len(Loudness.runs) == 2


def test_a_missing_folder_does_not_cost_results_that_exist(job: Any, tmp_path: Path) -> None:
    job().run()
    (before,) = rows(job())
    shutil.rmtree(tmp_path / "clips")
    with pytest.raises(UserError, match="no folder"):
        job().run()
    assert rows(job()) == [before]


def test_a_damaged_clip_is_counted(job: Any, tmp_path: Path) -> None:
    job().corpus.manifest("test", job().context.store)
    (tmp_path / "clips" / "2.wav").write_bytes(b"RIFF")
    job().run()
    (row,) = rows(job())
    assert row.n_scored == 3  # the task scores what has tokens; tasks of the benchmark count the rest
    assert (job().results.root / "configs" / f"{row.config_digest}.json").is_file()


@dataclass(kw_only=True)
class Fine(GroundTruth):
    """A tokenizer of 24 kHz speech with 300 entries, which take 9 bits each where bits are whole."""

    @property
    def spec(self) -> TokenizerSpec:
        return replace(super().spec, sample_rate=24_000, frame_rate=24_000, codebook_sizes=(300,))

    def _encode(self, wav: torch.Tensor, lengths: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        codes, frames = super()._encode(wav, lengths)
        return codes // 256, frames


def test_rows_and_keys_say_the_rate_that_was_heard(job: Any, tmp_path: Path) -> None:
    plain = replace(job(), tokenizer=Fine(name="ground_truth"))
    plain.run()
    (low,) = rows(plain)
    fast = Clips(name="clips", root=str(tmp_path / "fast"), rate=24_000)
    (tmp_path / "fast").mkdir()
    store = ArtifactStore(tmp_path / "other")
    native = replace(plain, corpus=fast, context=replace(plain.context, store=store))
    native.run()
    (high,) = rows(native)
    assert (low.notes["input_rate"], high.notes["input_rate"]) == (16_000, 24_000)
    assert low.key == plain.key() != high.key == native.key()  # their corpora have one identity
    assert replace(native, tokenizer=GroundTruth(name="ground_truth")).key() == job().key()
    assert high.notes["whole_bit_rate"] == 24_000 * 9 > high.bitrate
    job().run()
    (sixteen,) = rows(job())
    assert sixteen.notes["input_rate"] == 16_000 and "whole_bit_rate" not in sixteen.notes


def test_what_an_outcome_leaves_beside_its_numbers(job: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    scored = Loudness.run

    def run(self: Any, *arguments: Any) -> Outcome:
        more: dict = {
            "statuses": {"used/x": ("n/a", "no x")},
            "lists": {"pairs/clips.csv": "a,b\n"},
            "audio": {"a.wav": b"RIFF"},
        }
        return replace(scored(self, *arguments), **more)

    monkeypatch.setattr(Loudness, "run", run)
    monkeypatch.setattr(Loudness, "reports", {"used": UsedEntries(), "used/x": UsedEntries()})
    monkeypatch.setattr(Clips, "split_label", lambda _, split: f"{split} (ours)")
    job().run()
    overall, absent = rows(job())
    assert overall.status == "ok" and overall.split == "test (ours)"
    assert (absent.metric, absent.status, absent.reason, absent.value) == ("used/x", "n/a", "no x", None)
    root = job().results.root
    assert (root / "pairs/clips.csv").read_text() == "a,b\n"
    assert [path.read_bytes() for path in root.glob("audio/loudness__ground_truth__clips__seed0/*")] == [
        b"RIFF"
    ]
    job().run()
    assert len(Loudness.runs) == 1


def test_a_variant_does_not_cost_the_usual_rows(job: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    job().run()
    monkeypatch.setattr(Loudness, "variant", lambda _, tokenizer: "vocoder" if tokenizer else "")
    other = job(offset=1.0)
    other.run()
    usual, variant = rows(job())
    assert (usual.variant, variant.variant) == ("", "vocoder")
    assert variant.value == pytest.approx((usual.value or 0) + 1) and variant.label == "ground_truth+vocoder"
    other.run()
    assert len(Loudness.runs) == 2 and "ground_truth+vocoder" in other.label


def test_side_information_is_told_in_the_row(job: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = job().tokenizer.spec
    spec = replace(plain, side_info="the speaker", side_info_bits=256)
    monkeypatch.setattr(GroundTruth, "spec", property(lambda _: spec))
    job().run()
    (row,) = rows(job())
    assert row.notes["side_info"] == "the speaker" and row.notes["side_info_bits_per_utterance"] == 256
    assert row.bitrate == plain.bitrate


def test_what_other_metrics_found_stays(job: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Later metrics join existing ones; the same metrics with other parameters replace the existing ones."""
    job().run()
    scored = Loudness.run

    def run(self: Any, *arguments: Any) -> Outcome:
        outcome = scored(self, *arguments)
        [measure] = outcome.measures
        frame = outcome.utterances.rename(columns={"used": "entropy"}).assign(**{"entropy:weight": 2.0})
        return replace(outcome, measures=[replace(measure, metric="entropy")], utterances=frame)

    monkeypatch.setattr(Loudness, "run", run)
    monkeypatch.setattr(Loudness, "reports", {"entropy": CodeEntropy()})
    monkeypatch.setattr(Loudness, "metric_key", lambda _, metric: f"{metric} by seconds")
    job().run()
    assert [(row.metric, row.metric_key) for row in rows(job())] == [
        ("entropy", "entropy by seconds"),
        ("used", ""),
    ]
    scores = job().results.utterances("loudness", "ground_truth", "clips", 0)
    assert list(scores) == ["utterance_id", "speaker_id", "failure", "entropy", "entropy:weight", "used"]
    assert scores["used"].tolist() == scores["entropy"].tolist()
    assert len(Loudness.runs) == 2
    job().run()
    assert len(Loudness.runs) == 2  # done already
    monkeypatch.setattr(Loudness, "metric_key", lambda _, metric: f"{metric} by minutes")
    job().run()
    assert [row.metric_key for row in rows(job())] == ["entropy by minutes", ""]
    job(offset=1.0).run()  # other speech: what was found in the old one goes
    assert [row.metric for row in rows(job())] == ["entropy"]


@pytest.mark.parametrize(("share", "status"), [(0.5, "ok"), (0.49, "failed")])
def test_a_metric_that_fails_too_often_is_failed(
    job: Any, monkeypatch: pytest.MonkeyPatch, share: float, status: str
) -> None:
    scored = Loudness.run

    def run(self: Any, *arguments: Any) -> Outcome:
        outcome = scored(self, *arguments)
        half = mean_interval([1.0, 2.0, float("nan"), float("nan")])
        return replace(
            outcome,
            measures=[replace(outcome.measures[0], interval=half)],
            notes={"failures": ["no frame voiced in both"]},
        )

    monkeypatch.setattr(Loudness, "run", run)
    replace(job(), max_failed_share=share).run()
    (row,) = rows(job())
    assert (row.status, row.n_failed) == (status, 2)
    if status == "failed":
        assert row.value is None and row.n_scored == 2
        assert row.reason.startswith("50% of the utterances have no score, more than max_failed_share")
        assert row.reason.endswith("no frame voiced in both")


def test_abstentions_are_counted_apart_with_the_reasons_of_their_metric(
    job: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    scored = Loudness.run

    def run(self: Any, *arguments: Any) -> Outcome:
        outcome = scored(self, *arguments)
        most = mean_interval([1.0, 2.0, 3.0, float("nan"), float("nan")]).with_abstained(1)
        measure = replace(outcome.measures[0], interval=most, reasons=["silence", "no voiced frame"])
        return replace(outcome, measures=[measure], notes={"failures": ["of another metric"]})

    monkeypatch.setattr(Loudness, "run", run)
    job().run()
    (row,) = rows(job())
    assert (row.n_scored, row.n_failed, row.n_abstained) == (3, 1, 1)
    assert row.status == "ok" and row.reason == "silence; no voiced frame"
    replace(job(), max_failed_share=0.3).run()
    assert rows(job())[0].status == "failed"


def test_a_row_keeps_the_remark_on_its_own_metric(job: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def run(self: Any, *arguments: Any) -> Outcome:
        frame = pd.DataFrame({"utterance_id": ["u"], "speaker_id": "s", "failure": None, "used": 1.0})
        measure = Measure(
            metric="used", interval=mean_interval(frame["used"]), definition="test", remark="1 of 1 loud"
        )
        plain = replace(measure, metric="entropy", remark="")
        return Outcome(measures=[measure, plain], utterances=frame, notes={"clips": 1})

    monkeypatch.setattr(Loudness, "run", run)
    monkeypatch.setattr(Loudness, "reports", {"used": UsedEntries(), "entropy": CodeEntropy()})
    job().run()
    assert {row.metric: row.remark for row in rows(job())} == {"used": "1 of 1 loud", "entropy": ""}


def test_a_failure_costs_no_rows_of_other_metrics(job: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    job().run()
    [before] = rows(job())

    def run(self: Any, *arguments: Any) -> Outcome:
        raise ZeroDivisionError("too loud")

    monkeypatch.setattr(Loudness, "run", run)
    monkeypatch.setattr(Loudness, "reports", {"entropy": CodeEntropy()})
    with pytest.raises(ZeroDivisionError):
        job().run()
    assert [(row.metric, row.status) for row in rows(job())] == [("entropy", "failed"), ("used", "ok")]
    assert rows(job())[1] == before
    assert job().results.utterances("loudness", "ground_truth", "clips", 0)["used"].notna().all()


def test_a_metric_whose_model_is_missing_costs_no_rows(job: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    job().run()
    before = rows(job())

    def missing(self: Any, metric: str) -> str:
        raise UserError("no weights")

    monkeypatch.setattr(Loudness, "metric_key", missing)
    with pytest.raises(UserError, match="no weights"):
        job().run()
    assert rows(job()) == before
    fresh = replace(job(), results=ResultsStore(job().results.root.parent / "other"))
    with pytest.raises(UserError, match="no weights"):
        fresh.run()
    assert [(row.status, row.reason) for row in rows(fresh)] == [("failed", "no weights")]


def test_the_share_that_may_fail_is_part_of_the_key(job: Any) -> None:
    assert replace(job(), max_failed_share=0.1).key() != job().key()
