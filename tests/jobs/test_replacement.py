"""Jobs of one row name: sweeps refuse them, a run says what it replaces, a trial replaces no larger job."""

import logging
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from benchmark.errors import UserError
from benchmark.jobs.build import make_job
from benchmark.jobs.compose import compose_jobs, open_hydra
from benchmark.jobs.job import Job
from benchmark.jobs.preflight import Preflight, preflight
from benchmark.storage.weights import DIGESTS

SMALL = ["dataset=custom", "tokenizer=opus_6k", "task=codebook_usage"]
METRICS = ["task=reconstruction", "metric=[pesq,stoi]"]


@pytest.fixture
def overrides(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Write two lists of one file name with five recordings each, and return the overrides of the first."""
    monkeypatch.setattr(DIGESTS, "folder", None)
    rng = np.random.default_rng(0)
    for folder in ("a", "b"):
        lines = ["audio_path,speaker_id,split"]
        (tmp_path / folder).mkdir()
        for number in range(5):
            wav = 0.1 * rng.standard_normal(16_000)
            soundfile.write(str(tmp_path / folder / f"{number}.wav"), wav, 16_000)
            lines.append(f"{number}.wav,s{number % 2},test")
        (tmp_path / folder / "data.csv").write_text("\n".join(lines) + "\n")
    places = [f"paths.{name}={tmp_path / name}" for name in ("cache", "results")]
    return [*SMALL, *places, f"manifest={tmp_path}/a/data.csv"]


@pytest.fixture
def look(overrides: list[str]) -> Callable[..., Preflight]:
    def ask(*more: str) -> Preflight:
        with open_hydra() as hydra:
            return preflight(compose_jobs(hydra, [*overrides, *more], multirun=True))

    return ask


@pytest.fixture
def job(overrides: list[str]) -> Callable[..., Job]:
    def make(*more: str) -> Job:
        with open_hydra() as hydra:
            return make_job(compose_jobs(hydra, [*overrides, *more], multirun=False)[0])

    return make


def test_a_sweep_over_what_no_name_tells_is_refused_with_the_remedy(look: Callable[..., Preflight]) -> None:
    found = look("tokenizer.bitrate=6000,8000,10000")
    (clash,) = found.clashes
    assert "3 jobs would replace each other's rows of codebook_usage × opus_6k × data × seed 0" in clash
    assert "tokenizer.bitrate (6000, 8000, 10000)" in clash
    assert clash.endswith("'tokenizer.name=opus_6k_${tokenizer.bitrate}'") and clash in found.text
    assert not look("tokenizer.bitrate=6000,8000", "tokenizer.name=opus_6k_${tokenizer.bitrate}").text


def test_lists_of_one_file_name_are_told(
    look: Callable[..., Preflight], overrides: list[str], tmp_path: Path
) -> None:
    overrides.pop()
    (clash,) = look(f"manifest={tmp_path}/a/data.csv,{tmp_path}/b/data.csv").clashes
    assert "dataset.file" in clash and clash.endswith("dataset.name=… in a command for each")


@pytest.mark.parametrize(
    "more",
    [
        ["seed=0,1"],
        ["tokenizer=opus_6k,mel_rvq"],
        ["task=codebook_usage,reconstruction"],
        ["stage=encode", "part=1/2,2/2"],
        ["workers=1,2"],
        ["task=reconstruction", "metric=pesq,stoi"],  # the rows of one job by two runs
    ],
)
def test_jobs_that_do_not_clash(look: Callable[..., Preflight], more: list[str]) -> None:
    assert not look(*more).clashes


def test_a_clash_alone_stops_a_sweep_whose_jobs_lack_nothing(overrides: list[str], tmp_path: Path) -> None:
    command = [sys.executable, "-m", "benchmark", "sweep", *overrides, "tokenizer.bitrate=6000,8000"]
    root = Path(__file__).resolve().parents[2]
    ended = subprocess.run(
        [*command, f"hydra.sweep.dir={tmp_path}/out"], cwd=root, capture_output=True, text=True, timeout=280
    )
    assert ended.returncode == 1 and "would replace each other's rows" in ended.stderr
    assert "The sweep was not started" in ended.stderr and not (tmp_path / "results").exists()


def test_a_run_says_what_it_replaces(job: Callable[..., Job], caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    job().run()
    job().run()  # done already
    assert "replaces" not in caplog.text
    job("tokenizer.bitrate=8000").run()
    assert "this run replaces the rows of codebook_usage × opus_6k × data × seed 0" in caplog.text
    assert "tokenizer.bitrate: 6000 then, 8000 now" in caplog.text
    caplog.clear()
    job("tokenizer.name=opus_10k", "tokenizer.bitrate=10000").run()
    assert "replaces" not in caplog.text


def test_a_trial_replaces_no_larger_job(job: Callable[..., Job], caplog: pytest.LogCaptureFixture) -> None:
    job(*METRICS, "limit=2").run()
    job(*METRICS, "limit=4").run()  # a larger job replaces a trial
    assert "task.limit: 2 then, 4 now" in caplog.text
    large = job(*METRICS).results.rows()
    assert {row.n_scored + row.n_failed for row in large} == {4}
    with pytest.raises(
        UserError, match=r"limit=3 \(before: 4\) would replace the rows .*tokenizer.name=opus_6k_"
    ):
        job(*METRICS, "limit=3").run()
    assert job().results.rows() == large
    job(*METRICS, "limit=3", "tokenizer.name=opus_6k_trial").run()
    job(*METRICS, "limit=3", "policy=always").run()
    counts = {row.tokenizer: row.n_scored + row.n_failed for row in job().results.rows()}
    assert counts == {"opus_6k": 3, "opus_6k_trial": 3}
