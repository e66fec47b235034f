"""Fixtures every test may use."""

import benchmark  # noqa: F401  # isort: skip  # before torch: it settles which instructions are used

import os
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from benchmark.results.row import Row
from benchmark.storage.artifacts import ArtifactStore

pytest_plugins = ["tests.speech_signals"]

SHARED = Path(__file__).resolve().parents[2] / "shared"
# Set before the library is imported, which reads them once: no test may wait for a network, and real
# weights are used where they lie beside the checkout.
os.environ.setdefault("HF_HUB_OFFLINE", "1")
if (SHARED / "hub").is_dir():
    os.environ.setdefault("HF_HUB_CACHE", str(SHARED / "hub"))


@pytest.hookimpl(tryfirst=True)  # before pytest selects by marks
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests that compare codes with another implementation, for `make test-conformance`."""
    for item in items:
        if "same_codes" in getattr(item, "fixturenames", ()):
            item.add_marker("conformance")


@pytest.fixture(scope="session")
def shared() -> Path:
    """Real speech and models beside the checkout; tests that need them skip where they are missing."""
    if not SHARED.is_dir():
        pytest.skip("the shared data folder is not beside this checkout")
    return SHARED


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
