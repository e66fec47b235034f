"""Fixtures every test may use."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from benchmark.artifacts import ArtifactStore
from benchmark.results.row import Row


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


@pytest.fixture(scope="session")
def make_row() -> Callable[..., Row]:
    """Builds a result row; the arguments are what the test is about."""
    defaults = {
        "profile": "mini",
        "tokenizer": "mel_rvq",
        "kind": "acoustic",
        "decoder": "ctx_vec2wav/mini",
        "frame_rate": 50.0,
        "num_codebooks": 4,
        "codebook_size": 256,
        "bitrate": 1600.0,
        "dataset": "synthetic",
        "split": "test",
        "task": "reconstruction",
        "metric": "wer",
        "value": 12.34,
        "n_scored": 60,
        "n_failed": 0,
        "definition": "corpus WER, Whisper tiny.en",
        "seed": 0,
        "config_digest": "c0ffee",
        "key": "k1",
        "git_commit": "0123456789abcdef",
        "versions": {"python": "3.11.7"},
        "device": "cpu",
        "wall_time": 1.5,
        "artifacts": ["tokens/aa", "vocoders/bb"],
    }
    return lambda **facts: Row(**{**defaults, **facts})


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)
