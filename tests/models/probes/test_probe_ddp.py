"""Training of each probe by two processes: same result as by one, even if their number changes midway."""

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch.multiprocessing import ProcessExitedException

from benchmark.models.probes.config import AttentionConfig, ProbeConfig
from benchmark.models.probes.ctc import CTCProbe
from benchmark.models.probes.data import Batch
from benchmark.models.probes.normalize import encode
from benchmark.models.probes.targets import FramePhones, Intents, Transcripts
from benchmark.models.probes.train import train_probe
from benchmark.models.probes.training import Examples
from benchmark.training.callbacks import read_history
from benchmark.training.report import read_report
from benchmark.training.trainer import TrainerConfig
from tests.models.probes.conftest import training

ONE = TrainerConfig(accelerator="cpu", progress_bar=False)
TWO = replace(ONE, strategy="ddp", devices=2)
WORDS = ("go", "stop", "left", "right", "up", "down")
BATCH, EPOCHS = 5, 3
"""Items per batch: the ranks get three and two, and both take the single one at the end of the eleven."""
CURVE, WEIGHTS = 1e-4, 1e-3
"""Relative tolerances of validation curves and weights: sums are taken in another order."""
TRAINING = {"train_loss": 0.1, "grad_norm": 0.1}
"""Means over the rows that the ranks have seen in an epoch; a row that both ranks take counts twice."""

TARGETS: dict[str, tuple[Any, Callable[[str], Any]]] = {
    "intent": (Intents, lambda text: text.split()[-1]),
    "phone": (FramePhones, lambda text: [letter for letter in text for _ in range(3)]),
    "ctc": (Transcripts, str),
    "attention": (Transcripts, str),
}
"""Target of each kind of probe, and its answer to a text."""


@pytest.fixture
def trained(make_store, make_spec, make_config, tmp_path: Path) -> Callable[..., Path]:
    """Train a probe on eleven sentences of an ideal tokenizer, and return its folder."""
    rng = np.random.default_rng(1)
    texts = {f"u{i:02d}": " ".join(rng.choice(WORDS, rng.integers(2, 5))) for i in range(11)}
    store = make_store({key: np.repeat(encode(text), 3)[None] for key, text in texts.items()})
    spec = make_spec()

    def trained(kind: str, trainer: TrainerConfig, folder: str, **changes: Any) -> Path:
        path = tmp_path / folder
        path.mkdir(exist_ok=True)
        size = {"batch_size": BATCH, "steps_per_epoch": 4, "epochs": EPOCHS, "patience": 3}
        config: ProbeConfig = make_config(**size | changes)
        if kind == "attention":
            config = AttentionConfig(**vars(config), label_smoothing=0.1)
        target, answer = TARGETS[kind]
        split = Examples(store, {key: answer(text) for key, text in texts.items()})
        train_probe(target, training(spec, split, config, path, trainer=trainer))
        return path

    return trained


def assert_same(one: Path, other: Path) -> None:
    curves = read_history(one), read_history(other)
    assert len(curves[0]) == EPOCHS and curves[0][-1]["train_loss"] < curves[0][0]["train_loss"]
    for row, expected in zip(curves[1], curves[0], strict=True):
        assert row.keys() == expected.keys()
        for name, value in row.items():
            assert value == pytest.approx(expected[name], rel=TRAINING.get(name, CURVE)), name
    weights, others = (load_file(folder / "model.safetensors") for folder in (one, other))
    assert weights.keys() == others.keys()
    for name, tensor in weights.items():
        torch.testing.assert_close(
            others[name], tensor, rtol=WEIGHTS, atol=2e-4, msg=lambda m, n=name: f"{n}: {m}"
        )
    assert read_report(one)["dev"] == pytest.approx(read_report(other)["dev"])


@pytest.mark.parametrize(
    ("kind", "changes"),
    [
        ("ctc", {"substitution": 0.2, "schedule": "newbob", "combine": "attention"}),
        ("attention", {}),
        ("intent", {}),
        ("phone", {}),
    ],
    ids=["ctc", "attention", "intent", "phone"],
)
def test_two_processes_learn_what_one_does(
    trained: Callable[..., Path], kind: str, changes: dict[str, Any]
) -> None:
    assert_same(trained(kind, ONE, "one", **changes), trained(kind, TWO, "two", **changes))


class Mortal(CTCProbe):
    """Probe whose last rank is killed in the second epoch, as the kernel does when memory runs out."""

    def training_step(self, batch: Batch) -> torch.Tensor:
        if self.current_epoch == 1 and self.global_rank == 1:
            os._exit(9)
        return super().training_step(batch)


def test_a_training_of_two_processes_goes_on_in_one(
    trained: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch, pytest.raises(ProcessExitedException):
        patch.setattr("benchmark.models.probes.asr.CTCProbe", Mortal)
        trained("ctc", TWO, "both")
    assert len(read_history(tmp_path / "both")) == 1
    assert_same(trained("ctc", ONE, "one"), trained("ctc", ONE, "both"))
