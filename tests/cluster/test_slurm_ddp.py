"""Trainings over two tasks of a real SLURM give the rows of one process, each once."""

import contextlib
import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests.cluster.slurm import Slurm, missing
from tests.cluster.sweeps import ROOT, SCORES, SWEEP, caught_in, rows

pytestmark = [
    pytest.mark.timeout(600),
    pytest.mark.skipif(bool(missing()), reason=f"not installed (slurm-wlm, munge): {', '.join(missing())}"),
]
ONE = {"tokenizer": "mel_rvq", "task": "reconstruction", "metric": "[mel_distance]"}
JOB = [f"{name}={ONE.get(name, value)}" for name, _, value in (text.partition("=") for text in SWEEP)]
DDP = ("trainer=ddp", "trainer.devices=2")
TOLERANCE = 1e-4
"""Tolerance of scores: sums are in another order, over eight steps."""


def start(folder: Path, command: list[str], *overrides: str, **variables: str) -> subprocess.Popen[str]:
    """Start the job, with its output in `folder/said.txt`."""
    places = {"CACHE": f"{folder}/cache", "RESULTS": f"{folder}/results", "OMP_NUM_THREADS": "1"}
    outputs = [f"hydra.run.dir={folder}/out", f"hydra.sweep.dir={folder}/out"]
    with (folder / "said.txt").open("w") as out:
        return subprocess.Popen(
            [*command, sys.executable, "-m", "benchmark", *overrides, *JOB, *outputs],
            cwd=ROOT,
            env=os.environ | places | variables,
            stdout=out,
            stderr=subprocess.STDOUT,
            text=True,
        )


def finish(running: subprocess.Popen[str], folder: Path) -> str:
    try:
        running.wait(400)
    finally:
        running.kill()
    said = (folder / "said.txt").read_text()
    assert running.returncode == 0, said[-4000:]
    return said


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("alone")
    finish(start(folder, []), folder)
    return folder


def assert_as_alone(folder: Path, alone: Path) -> None:
    """Assert the same rows, with other keys, numbers within the tolerance and equal other fields."""
    found, expected = rows(folder), rows(alone)
    assert found.keys() == expected.keys()
    for name, row in found.items():
        for field, value, other in zip(SCORES, row, expected[name], strict=True):
            if field == "key":
                assert value != other  # numbers of two devices
                continue
            assert value == (pytest.approx(other, rel=TOLERANCE) if isinstance(other, float) else other)


def test_a_job_of_two_tasks_that_is_put_back_into_the_queue_ends_as_one_process_does(
    slurm: Slurm, alone: Path, tmp_path: Path
) -> None:
    tasks = ["-m", *DDP, "hydra/launcher=submitit_slurm", "hydra.launcher.tasks_per_node=2"]
    running = start(tmp_path, [], *tasks, **slurm.environment)
    job = psutil.Process(caught_in("training", tmp_path)).environ()["SLURM_JOB_ID"]
    slurm.call("scontrol", "requeue", job)
    assert "sweep: 1 job: 1 done" in finish(running, tmp_path)
    facts = slurm.call("scontrol", "show", "job", job)
    assert "NumTasks=2" in facts and "Restarts=1" in facts
    assert_as_alone(tmp_path, alone)


def test_srun_ends_with_the_row_of_one_process(slurm: Slurm, alone: Path, tmp_path: Path) -> None:
    running = start(tmp_path, ["srun", "--ntasks=2"], *DDP, **slurm.environment)
    said = finish(running, tmp_path)
    assert said.count("start: reconstruction") == 1
    assert_as_alone(tmp_path, alone)


def other_task(job: str) -> psutil.Process:
    """Return the process of the second task of a job."""
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            variables = process.environ()
            if (variables.get("SLURM_JOB_ID"), variables.get("SLURM_PROCID")) == (job, "1"):
                return process
    raise AssertionError(f"job {job} has no second task")


def test_a_killed_task_ends_the_job_and_the_next_one_completes_it(
    slurm: Slurm, alone: Path, tmp_path: Path
) -> None:
    running = start(tmp_path, ["srun", "--ntasks=2"], *DDP, **slurm.environment)
    leader = psutil.Process(caught_in("training", tmp_path))
    follower = other_task(leader.environ()["SLURM_JOB_ID"])
    follower.kill()
    running.wait(200)
    said = (tmp_path / "said.txt").read_text()
    assert running.returncode and f"cut off: rank 1 (process {follower.pid} on" in said, said[-3000:]
    finish(start(tmp_path, [], *DDP), tmp_path)
    assert_as_alone(tmp_path, alone)
