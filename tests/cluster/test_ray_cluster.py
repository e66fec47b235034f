"""A sweep on a real Ray cluster gives the serial table, even if processes and a node are killed."""

import importlib.util
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.cluster.ray_cluster import RayCluster
from tests.cluster.sweeps import (
    JOBS,
    PHASES,
    assert_same,
    caught_in,
    finish,
    job_logs,
    run,
    sweeping,
)

pytestmark = [
    pytest.mark.timeout(900),
    pytest.mark.skipif(
        importlib.util.find_spec("ray") is None, reason="the extra `cluster` is not installed"
    ),
]


@pytest.fixture(scope="module")
def cluster(short: Path) -> Iterator[RayCluster]:
    with RayCluster(short / "ray") as cluster:  # nodes start in another folder than the sweep
        yield cluster


def test_the_sweep_on_ray_is_the_serial_one(cluster: RayCluster, serial: Path, tmp_path: Path) -> None:
    said = run(tmp_path, "hydra/launcher=ray", **cluster.environment)
    assert f"sweep: {JOBS} jobs: {JOBS} done, 0 failed" in said
    assert_same(tmp_path, serial)


def test_processes_and_a_node_killed_in_every_phase_end_in_the_serial_table(
    cluster: RayCluster, serial: Path, tmp_path: Path
) -> None:
    folder = tmp_path
    with sweeping(folder, "hydra/launcher=ray_cpu", **cluster.environment) as running:
        for phase in PHASES:
            pid = caught_in(phase, folder)
            os.kill(pid, signal.SIGKILL)
            psutil.wait_procs([psutil.Process(pid)] if psutil.pid_exists(pid) else [], timeout=10)
        cluster.kill_node_of(caught_in("evaluation", folder))
        cluster.add_node()
        said = finish(running, folder)
    assert f"sweep: {JOBS} jobs: {JOBS} done, 0 failed" in said
    assert_same(folder, serial)
    logs = job_logs(folder)
    assert logs.count("started again, and what is done is kept") >= 3
    assert "is taken over" in logs  # the work of the killed processes
