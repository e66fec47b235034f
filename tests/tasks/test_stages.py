"""Tests of jobs in stages and parts: each waits for its inputs, and together they equal the whole job."""

import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from benchmark.data.corpora.base import Corpus
from benchmark.errors import UserError
from benchmark.jobs.job import Job
from benchmark.jobs.stages import awaited, run_stage
from benchmark.metrics.base import Metric
from benchmark.metrics.evaluation import evaluate
from benchmark.models.vocoder.config import VocoderConfig
from benchmark.results.store import ResultsStore
from benchmark.storage import shards
from benchmark.storage.artifacts import ArtifactStore
from benchmark.tasks.base import RunContext
from benchmark.tasks.codebook_usage import CodebookUsageTask
from benchmark.tasks.decoding import resynthesis
from benchmark.tasks.decoding.scoring import ScoringTask
from benchmark.tasks.reconstruction import Reconstruction
from benchmark.tasks.voice_conversion import VoiceConversion
from benchmark.tokenizers.ground_truth import GroundTruth
from benchmark.tokenizers.mel_rvq import MelRvq
from benchmark.training.trainer import TrainerConfig

UNUSED = VocoderConfig(name="unused")


@pytest.fixture(autouse=True)
def _small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shards, "ROWS", 5)
    monkeypatch.setattr(resynthesis, "AT_ONCE", 4)


def job(root: Path, corpus: Corpus, task: ScoringTask, stage: str = "all", patience: float = 60) -> Job:
    store = ArtifactStore(root / "cache", awaited(stage, task.produces), patience)
    return Job(
        profile="mini",
        tokenizer=GroundTruth(name="ground_truth"),
        corpus=corpus,
        task=task,
        context=RunContext(store=store, trainer=TrainerConfig(accelerator="cpu")),
        results=ResultsStore(root / "results"),
        config={},
    )


@pytest.fixture(params=[Reconstruction, VoiceConversion])
def task(request: pytest.FixtureRequest, metrics: dict[str, Metric]) -> ScoringTask:
    return request.param(name=request.param.kind, vocoder=UNUSED, metrics=metrics)


def files(root: Path, *patterns: str) -> dict[str, bytes]:
    """Return the contents of all files by path below the root, seals included."""
    found = (path for pattern in patterns for path in root.glob(pattern))
    return {str(path.relative_to(root)): path.read_bytes() for path in found if path.is_file()}


def numbers(root: Path) -> list[tuple[object, ...]]:
    return [(r.metric, r.value, r.lo, r.hi, r.n_scored, r.n_failed) for r in ResultsStore(root).rows()]


def test_the_pieces_make_what_the_job_makes(
    voices: Corpus, task: ScoringTask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, pieces = tmp_path / "whole", tmp_path / "pieces"
    job(whole, voices, task).run()
    for part in ("1/2", "2/2"):
        run_stage(job(pieces, voices, task, "encode"), "encode", part)
    run_stage(job(pieces, voices, task, "train"), "train", None)
    for part in ("3/3", "1/3", "2/3"):
        run_stage(job(pieces, voices, task, "score"), "score", part)
    assert not (pieces / "results").exists()
    with monkeypatch.context() as patch:  # every utterance is already decoded and scored
        patch.setattr(resynthesis, "_decode", None)
        patch.setattr(evaluate, "score_all", None)
        run_stage(job(pieces, voices, task, "score"), "score", None)
    made = "cache/tokens/*/*", "cache/resynthesis/*/*", "results/utterances/*", "results/audio/*/*"
    assert files(pieces, *made) == files(whole, *made)
    assert sum(name.endswith(".flac") for name in files(whole, *made)) == 18
    assert numbers(pieces / "results") == numbers(whole / "results")
    assert all(row.status == "ok" for row in ResultsStore(pieces / "results").rows())
    assert not list((pieces / "cache").glob("*/*.shards"))


def test_parts_that_are_scored_side_by_side_are_each_scored_once(
    voices: Corpus, metrics: dict[str, Metric], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = Reconstruction(name="reconstruction", vocoder=UNUSED, metrics={"stoi": metrics["stoi"]})
    scored: list[str] = []
    original = evaluate.score_all

    def score_all(tasks, processes):
        scored.extend(pair.utterance_id for pair, _ in tasks)
        return original(tasks, processes)

    monkeypatch.setattr(evaluate, "score_all", score_all)
    parts = [
        threading.Thread(target=run_stage, args=(job(tmp_path, voices, task), "score", f"{n}/3"))
        for n in (1, 2, 3)
    ]
    for part in parts:
        part.start()
    for part in parts:
        part.join(60)
    job(tmp_path, voices, task).run()
    assert len(scored) == len(set(scored)) == 18


def test_a_stage_waits_for_the_one_before(voices: Corpus, metrics: dict[str, Metric], tmp_path: Path) -> None:
    task = Reconstruction(name="reconstruction", vocoder=UNUSED, metrics={"stoi": metrics["stoi"]})
    scoring = threading.Thread(target=run_stage, args=(job(tmp_path, voices, task, "score"), "score", None))
    scoring.start()
    run_stage(job(tmp_path, voices, task, "encode"), "encode", "2/2")
    time.sleep(3)
    assert scoring.is_alive() and not (tmp_path / "results").exists()
    run_stage(job(tmp_path, voices, task, "encode"), "encode", "1/2")
    scoring.join(60)
    assert [row.status for row in ResultsStore(tmp_path / "results").rows()] == ["ok"]


def test_what_nobody_makes_is_not_waited_for_forever(
    voices: Corpus, metrics: dict[str, Metric], tmp_path: Path
) -> None:
    task = Reconstruction(name="reconstruction", vocoder=UNUSED, metrics=metrics)
    with pytest.raises(UserError, match=r"4 parts missing\) is awaited.*stage=all.*patience="):
        run_stage(job(tmp_path, voices, task, "score", patience=0.5), "score", "1/2")
    fitted = replace(job(tmp_path, voices, task, "train", patience=0.5), tokenizer=MelRvq(name="mel_rvq"))
    with pytest.raises(UserError, match=r"codebooks/\w+ is awaited"):
        run_stage(fitted, "train", None)


def test_what_cannot_be_cut_is_refused(voices: Corpus, metrics: dict[str, Metric], tmp_path: Path) -> None:
    task = Reconstruction(name="reconstruction", vocoder=UNUSED, metrics=metrics)
    with pytest.raises(UserError, match="part=1/2 divides stage=encode and stage=score, not stage=train"):
        run_stage(job(tmp_path, voices, task), "train", "1/2")
    with pytest.raises(UserError, match=r"unknown stage 'encoding'.*encode"):
        run_stage(job(tmp_path, voices, task), "encoding", None)
    usage = replace(job(tmp_path, voices, task), task=CodebookUsageTask(name="codebook_usage"))
    with pytest.raises(UserError, match="task=codebook_usage is not scored by parts"):
        run_stage(usage, "score", "1/2")


def test_a_stage_of_a_job_with_rows_does_nothing(
    voices: Corpus, metrics: dict[str, Metric], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    task = Reconstruction(name="reconstruction", vocoder=UNUSED, metrics={"stoi": metrics["stoi"]})
    job(tmp_path, voices, task).run()
    caplog.set_level("INFO")
    run_stage(job(tmp_path, voices, task, "encode"), "encode", None)
    assert "done already" in caplog.text and "is done" not in caplog.text
