"""Training of probes by two processes: same result as by one, even if their number changes midway."""

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
from benchmark.models.probes.data import Batch, dev_loader, join_labels
from benchmark.models.probes.normalize import encode
from benchmark.models.probes.targets import FramePhones, Intents, Target, Transcripts
from benchmark.models.probes.train import train_probe
from benchmark.models.probes.training import Examples, ProbeTraining
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

TARGETS: dict[str, tuple[type[Target], Callable[[str], Any]]] = {
    "intent": (Intents, lambda text: text.split()[-1]),
    "phone": (FramePhones, lambda text: [letter for letter in text for _ in range(3)]),
    "ctc": (Transcripts, str),
    "attention": (Transcripts, str),
}
"""Target of each kind of probe, and its answer to a text."""


@pytest.fixture
def prepared(make_store, make_spec, make_config, tmp_path: Path) -> Callable[..., ProbeTraining]:
    """Prepare the training of a probe on eleven sentences of an ideal tokenizer."""
    rng = np.random.default_rng(1)
    texts = {f"u{i:02d}": " ".join(rng.choice(WORDS, rng.integers(2, 5))) for i in range(11)}
    store = make_store({key: np.repeat(encode(text), 3)[None] for key, text in texts.items()})
    spec = make_spec()

    def prepared(kind: str, trainer: TrainerConfig, folder: str, **changes: Any) -> ProbeTraining:
        path = tmp_path / folder
        path.mkdir(exist_ok=True)
        size = {"batch_size": BATCH, "steps_per_epoch": 4, "epochs": EPOCHS, "patience": 3}
        config: ProbeConfig = make_config(**size | changes)
        if kind == "attention":
            config = AttentionConfig(**vars(config), label_smoothing=0.1)
        _, answer = TARGETS[kind]
        split = Examples(store, {key: answer(text) for key, text in texts.items()})
        return training(spec, split, config, path, trainer=trainer)

    return prepared


@pytest.fixture
def trained(prepared: Callable[..., ProbeTraining]) -> Callable[..., Path]:
    """Train a probe, and return its folder."""

    def trained(kind: str, trainer: TrainerConfig, folder: str, **changes: Any) -> Path:
        made = prepared(kind, trainer, folder, **changes)
        train_probe(TARGETS[kind][0], made)
        return made.folder

    return trained


@pytest.mark.parametrize("kind", TARGETS)
def test_the_loss_of_a_batch_is_the_mean_over_its_rows(
    prepared: Callable[..., ProbeTraining], kind: str
) -> None:
    """Losses of two ranks, each weighted by its rows, then have the gradient of the whole batch."""
    training = prepared(kind, ONE, "one")
    target = TARGETS[kind][0](training)
    tokens, right = training.train
    labelled = join_labels(tokens, {key: target.encode(answer) for key, answer in right.items()})
    target.accept(labelled)
    probe = target.network(training.config, None).eval()
    batch = next(iter(dev_loader(labelled, training.spec, training.config)))
    parts = [Batch(*(part[rows] for part in batch)) for rows in (slice(2), slice(2, None))]
    assert len(set(batch.lengths.tolist())) > 1
    weighted = sum(len(part.codes) * probe.loss(part) for part in parts) / len(batch.codes)
    torch.testing.assert_close(probe.loss(batch), weighted)


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
        ("phone", {}),
    ],
    ids=["ctc", "phone"],
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
