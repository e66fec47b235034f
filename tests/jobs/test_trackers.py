"""Tests of trackers: an offline run of wandb has the promised content; a failing tracker fails no job."""

import csv
import json
import logging
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import soundfile
from lightning.pytorch.loggers import CSVLogger
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from benchmark.errors import UserError
from benchmark.jobs.build import make_job, make_trackers
from benchmark.jobs.compose import compose_jobs, open_hydra
from benchmark.jobs.trackers.base import (
    Csv,
    Results,
    RunInfo,
    TensorBoard,
    Tracker,
    TrackerCollection,
    left_by,
    scalars,
)
from benchmark.jobs.trackers.wandb_tracker import Wandb
from benchmark.results.store import ResultsStore
from benchmark.storage.weights import DIGESTS
from tests.wandb_runs import runs


@pytest.fixture
def job_of(make_row: Callable[..., Any], tmp_path: Path) -> Callable[..., Results]:
    """Return a function that writes results of a reconstruction: two metrics, scores, audio and a vocoder."""

    def make(**more: Any) -> Results:
        rows = [
            make_row(metric="wer", value=12.5, lo=10.0, hi=15.0, artifacts=["vocoders/bb"], **more),
            make_row(metric="gpe", value=3.0, n_scored=58, n_failed=2, artifacts=["vocoders/bb"], **more),
        ]
        frame = pd.DataFrame(
            {"utterance_id": ["a", "b"], "speaker_id": "s", "wer": [0.1, 0.2], "failure": [None, "silence"]}
        )
        store = ResultsStore(tmp_path / "results" / "mini")
        store.write(rows, frame)
        audio = store.root / "audio" / "reconstruction__mel_rvq__synthetic__seed0"
        audio.mkdir(parents=True)
        for role in ("source", "reconstructed"):
            soundfile.write(str(audio / f"a_{role}.wav"), np.zeros(1600), 16_000)
        vocoder = tmp_path / "cache" / "vocoders" / "bb"
        vocoder.mkdir(parents=True)
        (vocoder / "generator.safetensors").write_bytes(b"weights")
        return left_by(rows, frame, store.root, tmp_path / "cache")

    return make


@pytest.fixture
def info(tmp_path: Path) -> RunInfo:
    config = {"seed": 0, "tokenizer": {"name": "mel_rvq"}}
    (tmp_path / "out").mkdir()
    return RunInfo(
        name="a-job", task="reconstruction", group="sweep1", folder=tmp_path / "out", config=config
    )


@pytest.fixture
def _offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_MODE", "offline")


@pytest.mark.usefixtures("_offline")
def test_an_offline_run_holds_what_was_promised(
    info: RunInfo, job_of: Callable[..., Results], tmp_path: Path
) -> None:
    tracker = Wandb(project="p", artifacts=["results", "vocoders"])
    tracker.begin(info)
    curves = tracker.curves()
    for training in range(2):
        for step in (9, 19):
            curves.log_metrics({"loss": 1.0 / (step + training)}, step)
    tracker.end(job_of())
    (run,) = runs(tmp_path / "out")
    assert (run.project, run.group, run.job_type, run.name) == ("p", "sweep1", "reconstruction", "a-job")
    assert run.config["tokenizer"] == {"name": "mel_rvq"} and run.config["seed"] == 0
    numbers = {
        "wer": 12.5,
        "wer_lo": 10.0,
        "wer_hi": 15.0,
        "wer_n_scored": 60,
        "wer_n_failed": 0,
        "gpe": 3.0,
        "gpe_n_scored": 58,
        "gpe_n_failed": 2,
        "gpe_n_abstained": 0,
    }
    assert {name: run.summary[f"reconstruction/{name}"] for name in numbers} == numbers
    assert run.summary["reconstruction/wer_status"] == "ok"
    assert run.summary["tokenizer/bitrate_kbps"] == 1.6
    assert (run.history["training/1/loss"], run.history["training/2/loss"]) == (1 / 19, 1 / 20)
    assert run.history["training/2/step"] == 19
    media = next((tmp_path / "out").rglob("media"))
    (table,) = (media / "table" / "reconstruction").glob("utterances*.json")
    assert json.loads(table.read_text())["data"] == [["a", "s", 0.1, None], ["b", "s", 0.2, "silence"]]
    for role in ("source", "reconstructed"):
        assert run.history[f"reconstruction/audio/{role}._type"] == "audio"
        assert run.history[f"reconstruction/audio/{role}.captions"] == ["a"]
    assert len(list(media.rglob("*.wav"))) == 2
    assert run.history["reconstruction/wer_histogram._type"] == "histogram"
    kept = dict(run.artifacts.values())
    stem = "reconstruction__mel_rvq__synthetic__seed0"
    assert kept["vocoders"] == ["generator.safetensors"]
    assert {f"rows/{stem}.jsonl", f"utterances/{stem}.parquet", f"audio/{stem}/a_source.wav"} <= set(
        kept["results"]
    )
    assert run.exit_code == 0


@pytest.mark.usefixtures("_offline")
def test_a_failed_job_is_a_failed_run(info: RunInfo, job_of: Callable[..., Results], tmp_path: Path) -> None:
    tracker = Wandb()
    tracker.begin(info)
    tracker.end(job_of(status="failed", reason="out of memory"))
    (run,) = runs(tmp_path / "out")
    assert run.exit_code == 1 and run.summary["reason"] == "out of memory"


@pytest.mark.usefixtures("_offline")
def test_a_report_is_a_run_of_its_own_with_figures_and_tables(info: RunInfo, tmp_path: Path) -> None:
    folder = tmp_path / "mini"
    for name in ("figures/rate_quality.png", "tables/overview.md", "report.html"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("x")
    from PIL import Image

    Image.new("RGB", (8, 8)).save(folder / "figures/rate_quality.png")
    Wandb().report(replace(info, task="report"), folder)
    (run,) = runs(tmp_path / "out")
    assert run.job_type == "report" and run.history["report/figures/rate_quality._type"] == "image-file"
    assert run.artifacts["report-mini"] == ("report", ["report.html", "tables/overview.md"])


@pytest.mark.parametrize("what", ["no login", "absent", "cannot start"])
def test_a_wandb_that_fails_is_a_warning_and_no_more(
    info: RunInfo,
    job_of: Callable[..., Results],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    what: str,
) -> None:
    for name in ("WANDB_API_KEY", "WANDB_IDENTITY_TOKEN_FILE", "WANDB_MODE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NETRC", "/no/such/file")
    if what != "no login":
        monkeypatch.setenv("WANDB_MODE", "offline")
    if what == "absent":
        monkeypatch.setitem(sys.modules, "wandb", None)
    if what == "cannot start":
        monkeypatch.setattr("wandb.init", lambda **_: 1 / 0)
    trackers = TrackerCollection({"wandb": Wandb()}, "g", info.folder)
    assert trackers.begin("reconstruction", "a-job") == {}
    trackers.end(job_of)
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert {"no login": "WANDB_MODE=offline", "absent": "wandb", "cannot start": "ZeroDivisionError"}[
        what
    ] in caplog.text


class Broken(Tracker):
    def end(self, results: Results) -> None:
        raise RuntimeError("the server is gone")


def test_one_tracker_that_fails_at_the_end_costs_no_other(
    job_of: Callable[..., Results], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    trackers = TrackerCollection({"broken": Broken(), "csv": Csv()}, "g", tmp_path)
    loggers = trackers.begin("reconstruction", "a-job")
    assert list(loggers) == ["csv"] and isinstance(loggers["csv"], CSVLogger)
    trackers.end(job_of)
    assert "broken does not follow this job: RuntimeError: the server is gone" in caplog.text
    with (tmp_path / "metrics.csv").open() as file:
        first = next(csv.DictReader(file))
    assert first == {
        "name": "reconstruction/wer",
        "value": "12.5",
        "lo": "10.0",
        "hi": "15.0",
        "n_scored": "60",
        "n_failed": "0",
        "n_abstained": "0",
        "status": "ok",
    }


class OddCurves(Tracker):
    def curves(self) -> Any:
        return "a file"


def test_only_loggers_of_lightning_get_the_curves(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    logger = CSVLogger(str(tmp_path))
    given = {"odd": OddCurves(), "none": Tracker(), "mistaken": {}, "lightning": logger}
    assert TrackerCollection(given, "g", tmp_path).begin("reconstruction", "a-job") == {"lightning": logger}
    assert [record.getMessage() for record in caplog.records] == [
        "odd gets no curves: str is not a Logger of Lightning",
        "mistaken gets no curves: dict is not a Logger of Lightning",
    ]


def test_tensorboard_has_the_numbers(job_of: Callable[..., Results], info: RunInfo) -> None:
    tracker = TensorBoard()
    tracker.begin(info)
    results = job_of()
    tracker.end(results)
    events = EventAccumulator(str(info.folder / "tensorboard"))
    events.Reload()
    assert {name: events.Scalars(name)[0].value for name in events.Tags()["scalars"]} == scalars(results.rows)


def test_artifacts_that_nobody_knows_are_refused() -> None:
    with pytest.raises(UserError, match=r"'codebok'.*Did you mean 'codebooks'"):
        Wandb(artifacts=["codebok"])


@pytest.mark.usefixtures("_offline")
def test_a_job_that_runs_is_followed_and_one_that_is_done_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(DIGESTS, "folder", None)
    lines = ["audio_path,speaker_id,split"]
    for number in range(4):
        soundfile.write(str(tmp_path / f"{number}.wav"), 0.1 * np.sin(np.arange(9000.0) * number), 16_000)
        lines.append(f"{number}.wav,s{number},{'train' if number < 2 else 'test'}")
    (tmp_path / "my.csv").write_text("\n".join(lines) + "\n")
    overrides = [
        "dataset=custom",
        "tokenizer=mfcc_kmeans",
        "tokenizer.codebook_size=4",
        "task=codebook_usage",
    ]
    overrides += [f"manifest={tmp_path}/my.csv", f"paths.cache={tmp_path}/cache", "logger=wandb"]
    overrides += [f"paths.results={tmp_path}/results"]
    with open_hydra() as hydra:
        (cfg,) = compose_jobs(hydra, overrides, multirun=False)
    for place in ("first", "second"):
        (tmp_path / place).mkdir()
        job = replace(make_job(cfg), trackers=make_trackers(cfg, "my_sweep", tmp_path / place))
        with caplog.at_level(logging.WARNING):
            job.run()
    (run,) = runs(tmp_path / "first")
    assert not runs(tmp_path / "second")
    assert run.group == "my_sweep" and run.name == "codebook_usage-mfcc_kmeans-my-seed0"
    assert run.config["task"]["name"] == "codebook_usage"
    rows = {row.metric: row.value for row in job.results.rows()}
    assert run.summary["codebook_usage/entropy"] == rows["entropy"]
    assert run.history["codebook_usage/figures/codebook_histogram._type"] == "image-file"
    assert "does not follow" not in caplog.text
