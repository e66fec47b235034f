"""Tests of sweeps by the real command line.

A failed job stops no other, a killed sweep resumes, and preflight reports certain failures before the start.
"""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile

from benchmark.results.row import Row
from benchmark.results.store import ResultsStore

ROOT = Path(__file__).resolve().parents[2]
SMALL = ["dataset=custom", "trainer.progress_bar=false"]
TOKENIZER = ["tokenizer=mfcc_kmeans", "tokenizer.codebook_size=8"]
HALF_FAIL = ["task=asr_probe,codebook_usage", "seed=0,1,2,3", "preflight=warn", *TOKENIZER]
JOBLIB = ["hydra/launcher=joblib", "hydra.launcher.n_jobs=2"]
Run = tuple[Path, subprocess.CompletedProcess[str]]
"""Folder and ended process of a sweep."""


@pytest.fixture(scope="module")
def speech(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a list of recordings without texts or a dev split, so that probes cannot run."""
    rng = np.random.default_rng(0)
    path = tmp_path_factory.mktemp("speech") / "my.csv"
    with path.open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(("audio_path", "speaker_id", "split"))
        for split in ("train", "test"):
            for number in range(6):
                name = f"{split}{number}.wav"
                soundfile.write(str(path.with_name(name)), 0.1 * rng.standard_normal(32_000), 16_000)
                table.writerow((name, f"{split}{number % 2}", split))
    return path


def command(folder: Path, *overrides: str) -> tuple[list[str], dict[str, str]]:
    places = [f"hydra.sweep.dir={folder}/sweep"]
    environment = {"CACHE": str(folder / "cache"), "RESULTS": str(folder / "results"), "OMP_NUM_THREADS": "1"}
    return [sys.executable, "-m", "benchmark", "-m", *SMALL, *overrides, *places], os.environ | environment


def run(folder: Path, *overrides: str) -> subprocess.CompletedProcess[str]:
    line, environment = command(folder, *overrides)
    return subprocess.run(line, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=280)


def rows(folder: Path) -> list[Row]:
    return ResultsStore(folder / "results" / "mini").rows()


@pytest.fixture(scope="module")
def undisturbed(speech: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Run a sweep of four jobs that fail and four that do not, one after the other in one process."""
    folder = tmp_path_factory.mktemp("undisturbed")
    return folder, run(folder, f"manifest={speech}", *HALF_FAIL)


@pytest.fixture(params=["basic", "joblib"])
def half_failed(request: pytest.FixtureRequest, speech: Path, tmp_path: Path) -> Run:
    """That sweep by either launcher."""
    if request.param == "basic":
        return request.getfixturevalue("undisturbed")
    return tmp_path, run(tmp_path, f"manifest={speech}", *HALF_FAIL, *JOBLIB)


def test_a_failed_job_stops_no_other_and_is_listed_with_its_log(half_failed: Run) -> None:
    folder, ended = half_failed
    assert ended.returncode == 1, ended.stderr[-3000:]
    assert {(row.task, row.seed, row.status) for row in rows(folder) if row.status != "n/a"} == {
        (task, seed, status)
        for task, status in (("asr_probe", "failed"), ("codebook_usage", "ok"))
        for seed in range(4)
    }
    said = ended.stderr.splitlines()
    assert "sweep: 8 jobs: 4 done, 4 failed" in said
    place = said.index("sweep: 8 jobs: 4 done, 4 failed")
    assert said[place + 1].startswith("failed: asr_probe × mfcc_kmeans × my × seed 0: ")
    assert "no recordings of the split 'dev'" in said[place + 1]
    log = Path(said[place + 2].removeprefix("        log: "))
    assert "no recordings of the split 'dev'" in (ROOT / log).read_text()
    assert any(line.startswith("sweep: ") and "4 failed" in line for line in said[:place])  # meanwhile
    assert "Traceback" not in ended.stderr
    assert (folder / "results/mini/tables/codebook_usage.md").is_file()


def test_a_sweep_that_lacks_something_does_not_start_and_lists_it(speech: Path, tmp_path: Path) -> None:
    jobs = [f"manifest={speech}", "task=asr_probe,codebook_usage", "tokenizer=lyra_3k2"]
    ended = run(tmp_path, *jobs, "tokenizer.checkpoint_dir=/no/weights")
    assert ended.returncode == 1
    for words in ("asr_probe misses labels", "/no/weights", "was not started", "preflight=warn"):
        assert words in ended.stderr, ended.stderr[-3000:]
    assert not (tmp_path / "results").exists() and "benchmark.jobs.job" not in ended.stdout


@pytest.mark.timeout(600)
def test_a_killed_joblib_sweep_goes_on_to_the_rows_of_an_undisturbed_one(
    speech: Path, tmp_path: Path, undisturbed: Run
) -> None:
    jobs = [f"manifest={speech}", "task=codebook_usage", "seed=0,1,2,3", *TOKENIZER]
    line, environment = command(tmp_path / "killed", *jobs, *JOBLIB, "preflight=off")
    sweep = subprocess.Popen(
        line,
        cwd=ROOT,
        env=environment,
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    written, end = tmp_path / "killed/results/mini/rows", time.monotonic() + 120
    while not (written.is_dir() and list(written.glob("*.jsonl"))) and time.monotonic() < end:
        time.sleep(0.005)
    os.killpg(sweep.pid, signal.SIGKILL)
    sweep.wait()
    assert sweep.returncode == -signal.SIGKILL  # it had not ended by itself
    first = {path.name for path in written.glob("*.jsonl")}
    again = run(tmp_path / "killed", *jobs, *JOBLIB)
    assert again.returncode == 0, again.stderr[-3000:]
    assert again.stdout.count("done already") == len(first) or len(first) == 4

    def numbers(folder: Path) -> list[tuple[object, ...]]:
        return [
            (r.task, r.tokenizer, r.dataset, r.metric, r.seed, r.value, r.lo, r.hi, r.n_scored, r.status)
            for r in rows(folder)
            if r.task == "codebook_usage"
        ]

    assert numbers(tmp_path / "killed") == numbers(undisturbed[0])
    assert len(set(numbers(tmp_path / "killed"))) == len(numbers(tmp_path / "killed"))
    merged = (tmp_path / "killed/results/mini/rows.jsonl").read_text().splitlines()
    names = [
        tuple(json.loads(text)[part] for part in ("task", "tokenizer", "metric", "seed")) for text in merged
    ]
    assert len(set(names)) == len(names) == len(numbers(undisturbed[0]))
