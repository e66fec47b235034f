"""Fixtures every test may use."""

from pathlib import Path

import pytest
import torch

from benchmark.artifacts import ArtifactStore


@pytest.fixture(scope="session")
def shared() -> Path:
    """Real speech and models beside the checkout; tests that need them skip where they are missing."""
    folder = Path(__file__).resolve().parents[2] / "shared"
    if not folder.is_dir():
        pytest.skip("the shared data folder is not beside this checkout")
    return folder


@pytest.fixture
def store(tmp_path: Path) -> ArtifactStore:
    """An empty artifact store."""
    return ArtifactStore(tmp_path / "cache")


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)
