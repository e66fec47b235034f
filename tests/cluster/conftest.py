"""A serial sweep as the reference, and folders with names short enough for sockets."""

import os
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from filelock import FileLock

from tests.cluster.slurm import Slurm
from tests.cluster.sweeps import run


@pytest.fixture(scope="session")
def serial(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Run the sweep job by job in one process, once for all workers of pytest, and return its folder."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "serial"
    with FileLock(f"{folder}.lock"):
        if not (folder / "done").exists():
            run(folder)
            (folder / "done").touch()
    return folder


@pytest.fixture(scope="module")
def short() -> Iterator[Path]:
    """Yield a folder directly below the folder of temporary files, so that paths stay short."""
    with TemporaryDirectory(prefix="c", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


@pytest.fixture(scope="module")
def slurm(short: Path) -> Iterator[Slurm]:
    """Yield a SLURM cluster for the tests of one file."""
    pytest.importorskip("submitit", reason="the extra `cluster` is not installed")
    with Slurm(short / "slurm") as cluster:
        yield cluster
