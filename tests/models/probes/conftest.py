from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmark.models.probes.config import ProbeConfig
from benchmark.models.probes.module import Probe
from benchmark.models.probes.training import Examples, ProbeTraining
from benchmark.storage.token_store import TokenStore, TokenWriter
from benchmark.training.config import TrainerConfig
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


def training(
    spec: TokenizerSpec,
    train: Examples,
    config: ProbeConfig,
    folder: Path,
    dev: Examples | None = None,
    **changes: Any,
) -> ProbeTraining:
    """Return a training on the CPU with seed 3, which takes `train` as dev where no other is given."""
    given: dict[str, Any] = {"trainer": TrainerConfig(accelerator="cpu", progress_bar=False), "seed": 3}
    return ProbeTraining(
        spec=spec, train=train, dev=dev or train, config=config, folder=folder, **given | changes
    )


def assert_resumes(
    train: Callable[..., Path],
    probe: type[Probe],
    monkeypatch: pytest.MonkeyPatch,
    dies_in: int,
    also: tuple[str, ...] = (),
    **changes: Any,
) -> int:
    """Kill a training and resume it; compare its files with those of a training that ends by itself.

    Args:
        train: Trains a probe in the folder that `folder` names, and returns this folder.
        probe: Class of the probe.
        monkeypatch: Fixture that makes one evaluation on dev die.
        dies_in: Number of the evaluation that dies, from 1 up.
        also: Files to compare besides weights and history.
        changes: Further arguments of `train`.

    Returns: Number of evaluations after the death.
    """
    whole = train(folder="whole", **changes)
    validate, calls = probe.on_validation_epoch_end, []

    def validate_or_die(self: Probe) -> None:
        calls.append(None)
        if len(calls) == dies_in:
            raise KeyError("killed")
        validate(self)

    with monkeypatch.context() as patch:
        patch.setattr(probe, "on_validation_epoch_end", validate_or_die)
        with pytest.raises(KeyError, match="killed"):
            train(folder="killed", **changes)
        killed = train(folder="killed", **changes)
    for name in ("model.safetensors", "history.csv", *also):
        assert (killed / name).read_bytes() == (whole / name).read_bytes()
    return len(calls) - dies_in


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
