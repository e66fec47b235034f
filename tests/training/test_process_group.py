"""Tests of processes started together for one job: rank 0 runs all of it, the others its trainings.

The processes are real: started by torchrun, by submitit, or with the variables that a scheduler would set.
"""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import psutil
import pytest

from benchmark.results.row import Row
from benchmark.results.store import ResultsStore
from benchmark.training.callbacks import read_history
from benchmark.training.report import read_report
from benchmark.training.trainer import LAST
from tests.ports import free_port

ROOT = Path(__file__).resolve().parents[2]
SMALL = [
    "dataset.train_utterances=24",
    "dataset.dev_utterances=8",
    "dataset.test_utterances=8",
    "tokenizer=mfcc_kmeans",
    "tokenizer.codebook_size=16",
    "vocoder.steps=6",
    "vocoder.steps_per_epoch=2",
    "vocoder.batch_size=3",
    "metric=[mel_distance]",
    "asr_probe.epochs=6",
    "asr_probe.steps_per_epoch=3",
    "asr_probe.dropout=0",
    "limit=4",
    "preflight=off",
    "trainer.progress_bar=false",
    "trainer.accelerator=cpu",
]
TASKS = "task=reconstruction,asr_probe"
PROBE = "task=asr_probe"
DDP = ("trainer=ddp", "trainer.devices=2")
TOLERANCE = 1e-4
"""Tolerance of validation curves and scores: sums are in another order, over a few steps."""
WITHOUT_OBJECTS = """
import torch.distributed.distributed_c10d as group

def _refuse(*_, **__):
    raise AssertionError("a pickled object between processes")

group._object_to_tensor = group._tensor_to_object = _refuse
"""
Start = Callable[..., subprocess.Popen[str]]


def environment(folder: Path, **variables: str) -> dict[str, str]:
    places = {"CACHE": str(folder / "cache"), "RESULTS": str(folder / "results"), "OMP_NUM_THREADS": "1"}
    return os.environ | places | variables


def line(folder: Path, *overrides: str, name: str = "out") -> list[str]:
    return [
        "-m",
        "benchmark",
        *overrides,
        *SMALL,
        f"hydra.run.dir={folder}/{name}",
        f"hydra.sweep.dir={folder}/{name}",
    ]


@pytest.fixture
def start() -> Iterator[Start]:
    """Yield a function that starts a command, which is ended with the test."""
    started: list[subprocess.Popen[str]] = []

    def start(command: list[str], env: dict[str, str]) -> subprocess.Popen[str]:
        streams = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
        started.append(subprocess.Popen(command, cwd=ROOT, env=env, **streams))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.wait()
        assert process.stdout
        process.stdout.close()


@pytest.fixture
def pair(start: Start) -> Callable[..., list[subprocess.Popen[str]]]:
    """Return a function that starts two processes with the variables of a cluster, without a supervisor."""

    def pair(
        folder: Path, *overrides: str, others: Sequence[str] = (), **variables: str
    ) -> list[subprocess.Popen[str]]:
        place = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port())}
        return [
            start(
                [sys.executable, *line(folder, *overrides, *(others if rank else ()), name=f"rank{rank}")],
                environment(folder, RANK=str(rank), WORLD_SIZE="2", **place, **variables),
            )
            for rank in (0, 1)
        ]

    return pair


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Run both tasks in one process, and return their folder."""
    folder = tmp_path_factory.mktemp("alone")
    command = [sys.executable, *line(folder, "-m", TASKS)]
    ended = subprocess.run(command, cwd=ROOT, env=environment(folder), capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr[-3000:]
    return folder


@pytest.fixture
def encoded(alone: Path, tmp_path: Path) -> Path:
    """Return a folder in which only the trainings, and the work that follows them, are left to do."""
    shutil.copytree(alone / "cache", tmp_path / "cache", ignore=shutil.ignore_patterns("vocoders", "probes"))
    return tmp_path


def rows(folder: Path) -> list[Row]:
    return ResultsStore(folder / "results" / "mini").rows()


def trained(folder: Path, kind: str) -> Path:
    (history,) = (folder / "cache" / kind).glob("*/history.csv")
    return history.parent


def assert_as_alone(
    folder: Path, alone: Path, tasks: tuple[str, ...] = ("reconstruction", "asr_probe")
) -> None:
    """Assert the same rows, each once, and the same histories."""
    expected = [row for row in rows(alone) if row.task in tasks]
    found = rows(folder)
    assert [(row.task, row.metric, row.status) for row in found] == [
        (row.task, row.metric, row.status) for row in expected
    ]
    assert {row.key for row in found}.isdisjoint(row.key for row in expected)  # numbers of two devices
    for row, other in zip(found, expected, strict=True):
        assert row.value == pytest.approx(other.value, rel=TOLERANCE), row.metric
    for task, kind in (("reconstruction", "vocoders"), ("asr_probe", "probes")):
        if task in tasks:
            curves = zip(read_history(trained(folder, kind)), read_history(trained(alone, kind)), strict=True)
            for epoch, other in curves:
                assert epoch == pytest.approx(other, rel=TOLERANCE)


def test_torchrun_ends_with_the_rows_of_one_process(encoded: Path, alone: Path, start: Start) -> None:
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    sweep = start([*torchrun, *line(encoded, "-m", TASKS, *DDP)], environment(encoded))
    said = sweep.communicate(timeout=280)[0]
    assert sweep.returncode == 0, said[-3000:]
    assert_as_alone(encoded, alone)
    assert said.count("start: asr_probe") == said.count("start: reconstruction") == 1  # rank 0 alone
    assert said.count("sweep: 2 jobs: 2 done") == 1


def test_submitit_ends_with_the_rows_of_one_process(encoded: Path, alone: Path, start: Start) -> None:
    launcher = ["hydra/launcher=submitit_local", "hydra.launcher.tasks_per_node=2"]
    command = line(encoded, "-m", PROBE, *DDP, *launcher)
    sweep = start([sys.executable, *command], environment(encoded))
    said = sweep.communicate(timeout=280)[0]
    assert sweep.returncode == 0, said[-3000:]
    assert_as_alone(encoded, alone, ("asr_probe",))
    assert said.count("sweep: 1 job: 1 done") == 1


def wait_for_a_checkpoint(folder: Path, processes: list[subprocess.Popen[str]]) -> None:
    end = time.monotonic() + 120
    while not list((folder / "cache" / "probes").glob(f"*.building/{LAST}")):
        assert time.monotonic() < end and all(process.poll() is None for process in processes)
        time.sleep(0.01)


def test_a_killed_rank_ends_the_job_which_spawned_processes_then_complete(
    encoded: Path, alone: Path, pair: Callable[..., list[subprocess.Popen[str]]], start: Start
) -> None:
    ranks = pair(encoded, PROBE, *DDP)
    wait_for_a_checkpoint(encoded, ranks)
    ranks[1].send_signal(signal.SIGKILL)
    said = ranks[0].communicate(timeout=200)[0]
    assert ranks[0].returncode == 1
    assert f"the training was cut off: rank 1 (process {ranks[1].pid} on" in said, said[-3000:]
    assert "Start the same command again" in said and "Traceback" not in said
    assert {row.status for row in rows(encoded)} == {"failed"}
    (begun,) = (encoded / "cache" / "probes").glob("*.building")
    before = read_history(begun)
    assert 0 < len(before) < 6
    again = start([sys.executable, *line(encoded, PROBE, *DDP)], environment(encoded))
    said = again.communicate(timeout=200)[0]
    assert again.returncode == 0, said[-3000:]
    assert_as_alone(encoded, alone, ("asr_probe",))
    assert read_history(trained(encoded, "probes"))[: len(before)] == before  # epochs of two processes


def test_what_spawned_processes_began_two_of_a_launcher_complete(
    encoded: Path, alone: Path, pair: Callable[..., list[subprocess.Popen[str]]], start: Start
) -> None:
    first = start([sys.executable, *line(encoded, PROBE, *DDP)], environment(encoded))
    wait_for_a_checkpoint(encoded, [first])
    spawned = psutil.Process(first.pid).children(recursive=True)
    for process in (first, *spawned):
        process.send_signal(signal.SIGKILL)
    psutil.wait_procs(spawned)
    first.communicate()
    (begun,) = (encoded / "cache" / "probes").glob("*.building")
    before = read_history(begun)
    assert 0 < len(before) < 6
    (encoded / "sitecustomize.py").write_text(WITHOUT_OBJECTS)
    for rank in pair(encoded, PROBE, *DDP, PYTHONPATH=f"{encoded}:{ROOT}"):
        said = rank.communicate(timeout=200)[0]
        assert rank.returncode == 0, said[-3000:]
    assert_as_alone(encoded, alone, ("asr_probe",))
    assert read_history(trained(encoded, "probes"))[: len(before)] == before
    assert not (encoded / "rank1").exists()  # rank 1 leaves no files


def test_a_killed_rank_0_ends_the_others(
    encoded: Path, pair: Callable[..., list[subprocess.Popen[str]]]
) -> None:
    ranks = pair(encoded, PROBE, *DDP)
    wait_for_a_checkpoint(encoded, ranks)
    ranks[0].send_signal(signal.SIGKILL)
    said = ranks[1].communicate(timeout=60)[0]
    assert ranks[1].returncode == 1
    assert f"rank 0 (process {ranks[0].pid} on" in said and "has ended, and with it the job" in said, said[
        -3000:
    ]
    assert not rows(encoded)


def test_two_processes_pick_the_learning_rate_of_one(
    encoded: Path, pair: Callable[..., list[subprocess.Popen[str]]], start: Start
) -> None:
    """A job of several trainings, killed during one of them, resumes with this training."""
    pilots = ["asr_probe.learning_rate=[1e-4,1e-2]", "+asr_probe.pilot_epochs=3"]
    one = encoded / "one"
    shutil.copytree(encoded / "cache", one / "cache")
    single = start([sys.executable, *line(one, PROBE, *pilots)], environment(one))
    said = single.communicate(timeout=200)[0]
    assert single.returncode == 0, said[-3000:]
    ranks = pair(encoded, PROBE, *DDP, *pilots)
    end = time.monotonic() + 120
    while not list((encoded / "cache" / "probes").glob(f"*.building/pilots/0.01/{LAST}")):
        assert time.monotonic() < end and all(process.poll() is None for process in ranks)
        time.sleep(0.01)
    ranks[1].send_signal(signal.SIGKILL)
    ranks[0].communicate(timeout=200)
    (first,) = (encoded / "cache" / "probes").glob("*.building/pilots/0.0001/report.json")
    before = first.stat().st_mtime_ns
    for rank in pair(encoded, PROBE, *DDP, *pilots):
        said = rank.communicate(timeout=200)[0]
        assert rank.returncode == 0, said[-3000:]
    assert_as_alone(encoded, one, ("asr_probe",))
    folders = trained(encoded, "probes"), trained(one, "probes")
    picked, expected = (read_report(folder)["learning_rate"] for folder in folders)
    assert picked["picked"] == expected["picked"]
    assert [pilot["score"] for pilot in picked["pilots"]] == pytest.approx(
        [pilot["score"] for pilot in expected["pilots"]], rel=TOLERANCE
    )
    assert (folders[0] / "pilots/0.0001/report.json").stat().st_mtime_ns == before  # not trained again


def test_several_processes_do_not_do_the_same_job(
    encoded: Path, pair: Callable[..., list[subprocess.Popen[str]]]
) -> None:
    for rank in pair(encoded, PROBE):
        said = rank.communicate(timeout=200)[0]
        assert rank.returncode == 1
        assert "2 processes on 1 node were started for this job" in said and "trainer=ddp" in said
        assert "Traceback" not in said
    assert not rows(encoded)


MISFIT = """
import time
import torch
from torch import distributed
from benchmark.training import process_group
from benchmark.errors import UserError
from benchmark.training.cluster_environment import started_world

process_group.GRACE, process_group.LEAVING = 1.0, 4.0

def misfit(at):
    if (group.world.rank, number, at) == (1, 0, {fails!r}):
        raise MemoryError("no room on this device")

group = process_group.group_of(started_world())
for number in range(2):
    try:
        with group.job():
            group.messages.tell("job") if group.leads else group.messages.hear("job")
            misfit("before")
            group.meet("point", lambda: "text")
            with group.training("gloo"):
                misfit("training")
                {rest}
                ones = torch.ones(3)
                distributed.all_reduce(ones)
            print(number, "trained by", int(ones[0]))
    except UserError as error:
        print(number, error)
"""


@pytest.fixture
def misfits(tmp_path: Path, start: Start) -> Callable[..., list[subprocess.Popen[str]]]:
    """Return a function that starts two processes of one job, of which the second fails."""

    def misfits(fails: str, rest: str) -> list[subprocess.Popen[str]]:
        (tmp_path / "misfit.py").write_text(MISFIT.format(fails=fails, rest=rest))
        place = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port())}
        return [
            start(
                [sys.executable, str(tmp_path / "misfit.py")],
                environment(tmp_path, RANK=str(rank), WORLD_SIZE="2", PYTHONPATH=str(ROOT), **place),
            )
            for rank in (0, 1)
        ]

    return misfits


@pytest.mark.parametrize(
    ("fails", "words"), [("before", "has failed: "), ("training", "cut off by ")], ids=["before", "within"]
)
def test_the_failure_of_one_rank_reaches_rank_0(
    misfits: Callable[..., list[subprocess.Popen[str]]], fails: str, words: str
) -> None:
    """The failure fails the job; the next job of the sweep runs normally."""
    leader, other = misfits(fails, "distributed.barrier()")
    said = leader.communicate(timeout=50)[0]
    assert leader.returncode == 0 and "Traceback" not in said, said
    first, second = said.splitlines()[-2:]
    assert words in first and f"rank 1 (process {other.pid} on" in first
    assert first.endswith("MemoryError: no room on this device")
    told = other.communicate(timeout=50)[0]
    assert "rank 1 failed" in told and "Traceback" in told
    assert second == told.splitlines()[-1] == "1 trained by 2"


def test_a_rank_that_hangs_after_the_failure_of_another_ends(
    misfits: Callable[..., list[subprocess.Popen[str]]],
) -> None:
    leader, other = misfits("training", "time.sleep(60)")
    said = leader.communicate(timeout=50)[0]
    assert leader.returncode == 1
    assert "rank 0 hangs since rank 1 failed: MemoryError: no room on this device" in said
    assert f"rank 0 (process {leader.pid} on" in other.communicate(timeout=50)[0].splitlines()[-1]


def test_processes_of_different_commands_do_not_train_together(
    encoded: Path, pair: Callable[..., list[subprocess.Popen[str]]]
) -> None:
    leader, other = pair(encoded, PROBE, *DDP, others=["seed=1"])
    said = leader.communicate(timeout=200)[0]
    assert leader.returncode == 1
    assert f"rank 1 (process {other.pid} on" in said and "must be given the same command" in said, said[
        -3000:
    ]
    assert "Traceback" not in said
    other.communicate(timeout=50)
