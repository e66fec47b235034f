"""The sweep that the others are compared with, and folders whose names are short enough for sockets."""

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.cluster.slurm import Slurm
from tests.cluster.sweeps import run


@pytest.fixture(scope="session")
def serial(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Job after job in one process."""
    folder = tmp_path_factory.mktemp("serial")
    run(folder)
    return folder


@pytest.fixture(scope="module")
def short() -> Iterator[Path]:
    """A folder directly below that of temporary files."""
    with TemporaryDirectory(prefix="c", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


@pytest.fixture(scope="module")
def slurm(short: Path) -> Iterator[Slurm]:
    """A cluster of a file's own."""
    pytest.importorskip("submitit", reason="the extra `cluster` is not installed")
    with Slurm(short / "slurm") as cluster:
        yield cluster
