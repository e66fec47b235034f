"""A sweep on a real SLURM gives the serial table, even if jobs are requeued or lost."""

import os
import signal
from pathlib import Path

import psutil
import pytest

from tests.cluster.slurm import Slurm, missing
from tests.cluster.sweeps import (
    JOBS,
    assert_same,
    caught_in,
    finish,
    job_logs,
    rows,
    run,
    sweeping,
)

pytestmark = [
    pytest.mark.timeout(900),
    pytest.mark.skipif(bool(missing()), reason=f"not installed (slurm-wlm, munge): {', '.join(missing())}"),
]


def job_of(pid: int) -> str:
    """Return the job of a process, such as 12_3; the last job of an array has the array's plain number."""
    environment = psutil.Process(pid).environ()
    return f"{environment['SLURM_ARRAY_JOB_ID']}_{environment['SLURM_ARRAY_TASK_ID']}"


def test_the_sweep_on_slurm_is_the_serial_one(slurm: Slurm, serial: Path, tmp_path: Path) -> None:
    said = run(tmp_path, "hydra/launcher=submitit_slurm", **slurm.environment)
    assert f"sweep: {JOBS} jobs: {JOBS} done, 0 failed" in said
    assert_same(tmp_path, serial)
    first = slurm.call("scontrol", "show", "job", "1")
    for words in ("Requeue=1", "TimeLimit=04:00:00", "NumCPUs=1", "JobName=speech-tokens"):
        assert words in first, first
    logs = sorted(path.name for path in (tmp_path / "sweep/submitit").glob("*/*_log.out"))
    assert len(logs) == JOBS  # one for each job, beside the files of Hydra


def test_jobs_put_back_into_the_queue_in_every_phase_end_in_the_serial_table(
    slurm: Slurm, serial: Path, tmp_path: Path
) -> None:
    with sweeping(tmp_path, "hydra/launcher=slurm_cpu", **slurm.environment) as running:
        jobs = []
        for phase, by_signal in (
            ("encode", False),
            ("training", False),
            ("training", True),
            ("evaluation", False),
        ):
            pid = caught_in(phase, tmp_path)
            jobs.append(job_of(pid))
            if by_signal:  # SLURM's signal before a time limit, at which submitit asks for the requeue
                os.kill(pid, signal.SIGUSR2)
            else:
                slurm.call("scontrol", "requeue", jobs[-1])
            psutil.wait_procs([psutil.Process(pid)] if psutil.pid_exists(pid) else [], timeout=60)
        said = finish(running, tmp_path)
    assert f"sweep: {JOBS} jobs: {JOBS} done, 0 failed" in said
    assert_same(tmp_path, serial)
    for job in set(jobs):
        assert f"Restarts={jobs.count(job)}" in slurm.call("scontrol", "show", "job", job)
    assert job_logs(tmp_path).count("started again, and what is done is kept") == len(jobs)


def test_a_cancelled_job_is_listed_the_others_go_on_and_the_same_command_runs_the_rest(
    slurm: Slurm, serial: Path, tmp_path: Path
) -> None:
    jobs = "task=codebook_usage", "hydra/launcher=slurm_cpu"
    with sweeping(tmp_path, *jobs, **slurm.environment) as running:
        lost = job_of(caught_in("encode", tmp_path))
        slurm.call("scancel", lost)
        running.wait(300)
    said = (tmp_path / "said.txt").read_text()
    assert running.returncode == 1
    assert "cut off: " in said and "the same command runs the rest" in said, said[-3000:]
    assert "squeue --me" in said
    (tmp_path / "said.txt").unlink()
    assert "sweep: 2 jobs: 2 done" in run(tmp_path, *jobs, **slurm.environment)
    assert rows(tmp_path) == {name: row for name, row in rows(serial).items() if "codebook_usage" in name}


def test_without_slurm_the_launcher_says_where_to_start(tmp_path: Path) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    with sweeping(tmp_path, "hydra/launcher=slurm_gpu", PATH=str(programs)) as running:
        running.wait(60)
    said = (tmp_path / "said.txt").read_text()
    assert running.returncode == 1 and "there is no sbatch here" in said and "Traceback" not in said
    assert not (tmp_path / "results").exists()
