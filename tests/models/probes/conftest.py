from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmark.models.probes.config import ProbeConfig
from benchmark.storage.token_store import TokenStore, TokenWriter
from benchmark.types import TokenizerSpec

MakeStore = Callable[..., TokenStore]
MakeSpec = Callable[..., TokenizerSpec]
MakeConfig = Callable[..., ProbeConfig]

MICRO = ProbeConfig(
    name="micro",
    embedding_dim=24,
    combine="sum",
    min_frame_rate=50,
    hidden_dim=32,
    layers=1,
    dropout=0.0,
    substitution=0.0,
    learning_rate=0.02,
    warmup=0.1,
    weight_decay=0.0,
    grad_clip=1.0,
    batch_size=8,
    steps_per_epoch=15,
    epochs=6,
    patience=None,
)


@pytest.fixture
def make_config() -> MakeConfig:
    """Return a probe config small enough for a test; the arguments are the values under test."""
    return lambda **changes: replace(MICRO, **changes)


@pytest.fixture
def make_spec() -> MakeSpec:
    def make(codebook_sizes: tuple[int, ...] = (40,), frame_rate: float = 50.0) -> TokenizerSpec:
        return TokenizerSpec("toy", "acoustic", 16_000, frame_rate, codebook_sizes, False, False, True)

    return make


@pytest.fixture
def make_store(tmp_path: Path) -> MakeStore:
    """Write a token store from codes (K, T) by id; the ids in `failed` get no codes."""
    made = 0

    def make(codes: Mapping[str, np.ndarray], size: int = 256, failed: tuple[str, ...] = ()) -> TokenStore:
        nonlocal made
        made += 1
        folder = tmp_path / f"tokens{made}"
        folder.mkdir()
        writer = TokenWriter(folder, len(next(iter(codes.values()))), size)
        for utterance_id, item in codes.items():
            writer.add(utterance_id, item)
        for utterance_id in failed:
            writer.fail(utterance_id, "unreadable")
        writer.close()
        return TokenStore(folder)

    return make
