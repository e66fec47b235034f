"""One small sweep for any launcher: two tokenizers, two tasks, a vocoder that trains for seconds."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pandas as pd
import psutil

from benchmark.results.row import Row
from benchmark.results.store import ResultsStore

ROOT = Path(__file__).resolve().parents[2]
JOBS = 4
SWEEP = [
    "profile=mini",
    "tokenizer=mel_rvq,mfcc_kmeans",
    "task=codebook_usage,reconstruction",
    "tokenizer.codebook_size=32",
    "dataset.train_utterances=36",
    "dataset.dev_utterances=12",
    "dataset.test_utterances=12",
    "vocoder.steps=8",
    "vocoder.steps_per_epoch=2",
    "vocoder.dev_utterances=4",
    "limit=6",
    "metric=versa",  # seconds, long enough to be killed in; Whisper would take minutes over such a vocoder
    "trainer.progress_bar=false",
    "trainer.accelerator=cpu",
]
SCORES = "value", "lo", "hi", "n_scored", "n_failed", "status", "key", "metric_key", "definition", "variant"


def start(folder: Path, *overrides: str, **environment: str) -> "subprocess.Popen[str]":
    """Start the sweep in a process group of its own, with its output in `folder/said.txt`."""
    folder.mkdir(parents=True, exist_ok=True)
    own = {override.partition("=")[0] for override in overrides}
    given = [*(text for text in SWEEP if text.partition("=")[0] not in own), *overrides]
    near = os.path.relpath(folder, ROOT)  # processes that a cluster starts in another folder must find it too
    places = {"CACHE": f"{near}/cache", "RESULTS": f"{near}/results", "OMP_NUM_THREADS": "1"}
    with (folder / "said.txt").open("a") as out:
        return subprocess.Popen(
            [sys.executable, "-m", "benchmark", "-m", *given, f"hydra.sweep.dir={near}/sweep"],
            cwd=ROOT,
            env=os.environ | places | environment,
            stdout=out,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )


def finish(running: "subprocess.Popen[str]", folder: Path, timeout: float = 500) -> str:
    """Wait for the end, check the status 0, and return the output."""
    try:
        running.wait(timeout)
    except subprocess.TimeoutExpired:
        os.killpg(running.pid, signal.SIGKILL)
        running.wait()
    said = (folder / "said.txt").read_text()
    assert running.returncode == 0, f"ended by {running.returncode}:\n{said[-6000:]}"
    return said


def run(folder: Path, *overrides: str, **environment: str) -> str:
    """Run the sweep from start to end and return its output."""
    return finish(start(folder, *overrides, **environment), folder)


def rows(folder: Path) -> dict[tuple[str, ...], tuple[object, ...]]:
    """Return the results by job and metric, without paths and times."""
    found = ResultsStore(folder / "results/mini").rows()
    names = [_name(row) for row in found]
    assert len(set(names)) == len(names), "rows occur twice"
    return {_name(row): tuple(getattr(row, field) for field in SCORES) for row in found}


def assert_same(folder: Path, serial: Path) -> None:
    """Assert equal rows, none twice and none missing, equal scores of every utterance, and equal tables."""
    assert rows(folder) == rows(serial)
    merged = [json.loads(line) for line in (folder / "results/mini/rows.jsonl").read_text().splitlines()]
    assert len(merged) == len(rows(serial))
    for expected in sorted((serial / "results/mini/utterances").iterdir()):
        pd.testing.assert_frame_equal(
            pd.read_parquet(folder / "results/mini/utterances" / expected.name), pd.read_parquet(expected)
        )
    for expected in sorted((serial / "results/mini/tables").glob("*.csv")):
        assert (folder / "results/mini/tables" / expected.name).read_text() == expected.read_text()


def job_logs(folder: Path) -> str:
    """Return the joined logs of all jobs of a sweep."""
    return "\n".join(path.read_text() for path in sorted((folder / "sweep").glob("*/*.log")))


PHASES: Mapping[str, Callable[[Path], Iterator[int]]]


def encoding(cache: Path) -> Iterator[int]:
    """Yield the ids of processes that make tokens."""
    yield from _holders(cache, "tokens/**/*.lease/*")


def training(cache: Path) -> Iterator[int]:
    """Yield the ids of processes that train a vocoder and have written a checkpoint."""
    for checkpoint in cache.glob("vocoders/*.building/last.ckpt"):
        yield from _holders(cache, f"vocoders/{checkpoint.parent.name.removesuffix('.building')}.lease/*")


def scoring(cache: Path) -> Iterator[int]:
    """Yield the ids of processes that have written a score."""
    for journal in cache.glob("scores/**/*.jsonl"):
        if journal.stat().st_size and (found := re.search(r"\.(\d+)\.\d+\.jsonl$", journal.name)):
            yield int(found[1])


PHASES = {"encode": encoding, "training": training, "evaluation": scoring}


def caught_in(phase: str, folder: Path, timeout: float = 300) -> int:
    """Return the id of a process that is in a phase of a job now."""
    end = time.monotonic() + timeout
    while time.monotonic() < end:
        for pid in PHASES[phase](folder / "cache"):
            if psutil.pid_exists(pid):
                return pid
        time.sleep(0.005)
    raise AssertionError(f"nobody was ever at {phase}:\n{(folder / 'said.txt').read_text()[-4000:]}")


@contextmanager
def sweeping(folder: Path, *overrides: str, **environment: str) -> Iterator["subprocess.Popen[str]"]:
    """Yield the running sweep, and end it with the context."""
    running = start(folder, *overrides, **environment)
    try:
        yield running
    finally:
        if running.poll() is None:
            os.killpg(running.pid, signal.SIGKILL)
            running.wait()


def _holders(cache: Path, pattern: str) -> Iterator[int]:
    for file in cache.glob(pattern):
        try:
            yield int(json.loads(file.read_text())["pid"])
        except (OSError, ValueError, KeyError, TypeError):  # the file is gone, or not written yet
            continue


def _name(row: Row) -> tuple[str, ...]:
    return (row.task, row.tokenizer, row.dataset, row.metric, str(row.seed))
