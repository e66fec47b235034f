import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import lightning
import pytest
import torch
from lightning.pytorch.callbacks import Callback
from torch import nn
from torch.utils.data import DataLoader, Dataset

from benchmark.errors import UserError
from benchmark.training import trainer as training
from benchmark.training.bucket_sampler import BucketBatches, Draw
from benchmark.training.callbacks import HISTORY, read_history
from benchmark.training.config import TrainerConfig
from benchmark.training.machine import MACHINES, read_machines
from benchmark.training.report import read_report, save_report
from benchmark.training.trainer import LAST, fit

CONFIG = TrainerConfig(accelerator="cpu", progress_bar=False)
EPOCHS = 5

Whole = tuple[dict[str, torch.Tensor], Path]


class Points(Dataset[tuple[torch.Tensor, torch.Tensor]]):
    """Points on a noisy line; the seed of a draw fixes its noise."""

    def __len__(self) -> int:
        return 24

    def __getitem__(self, draw: Draw) -> tuple[torch.Tensor, torch.Tensor]:
        index, seed = draw
        x = torch.full((4,), index / 24)
        noise = torch.randn(1, generator=torch.Generator().manual_seed(seed))
        return x, 3 * x[:1] + 0.01 * noise


class Line(lightning.LightningModule):
    """A small network with dropout and a learning rate that changes with every step."""

    def __init__(self, learning_rate: float = 0.03) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.net = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Dropout(0.3), nn.Linear(16, 1))
        self.learning_rate = learning_rate
        self.dev_losses: Iterator[float] | None = None
        self.batches: list[list[float]] = []

    def training_step(self, batch: list[torch.Tensor]) -> torch.Tensor:
        self.batches.append(batch[0][:, 0].tolist())
        loss = (self.net(batch[0]) - batch[1]).square().mean()
        self.log("train_loss", loss, on_step=False, on_epoch=True)
        return loss

    def validation_step(self, batch: list[torch.Tensor]) -> None:
        loss = (self.net(batch[0]) - batch[1]).square().mean()
        self.log("dev_loss", next(self.dev_losses) if self.dev_losses else loss)

    def configure_optimizers(self) -> Any:
        optimizer = torch.optim.Adam(self.parameters(), self.learning_rate)
        schedule = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.99)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


def train(
    module: Line,
    folder: Path,
    epochs: int = EPOCHS,
    patience: int | None = None,
    monitor: str | None = "dev_loss",
    config: TrainerConfig = CONFIG,
    observers: Sequence[Callback] = (),
) -> dict[str, torch.Tensor]:
    batches = BucketBatches(list(range(1, 25)), 4, 3, seed=7)
    dev = DataLoader(Points(), batch_sampler=[[(index, 0) for index in range(24)]])
    fit(
        module,
        DataLoader(Points(), batch_sampler=batches),
        dev,
        folder,
        epochs=epochs,
        seed=5,
        config=config,
        monitor=monitor,
        patience=patience,
        observers=observers,
    )
    return {name: value.clone() for name, value in module.state_dict().items()}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Whole:
    """Return the weights and the folder of an undisturbed run."""
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("whole")
    return train(Line(), folder), folder


def same(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> bool:
    return all(torch.equal(first[name], second[name]) for name in first)


class Kill(Exception):
    """Raised by a test at the point where a real run would be killed."""


def kill_at(monkeypatch: pytest.MonkeyPatch, hook: str, epoch: int, batch: int = 0) -> None:
    """Make the next training raise `Kill` in `hook` of this epoch (and batch)."""

    class Killer(Callback):
        pass

    def die(self: Callback, trainer: lightning.Trainer, *rest: Any) -> None:
        if trainer.current_epoch == epoch and (hook != "on_train_batch_end" or rest[-1] == batch):
            raise Kill

    setattr(Killer, hook, die)
    real = lightning.Trainer

    def trainer(*, callbacks: list[Callback], **settings: Any) -> lightning.Trainer:
        return real(callbacks=[*callbacks, Killer()], **settings)

    monkeypatch.setattr(training.lightning, "Trainer", trainer)


@pytest.mark.parametrize(
    ("hook", "epoch", "batch"),
    [
        ("on_train_batch_end", 0, 1),
        ("on_train_batch_end", 3, 1),
        ("on_validation_end", 2, 0),
        ("on_train_epoch_start", 4, 0),
    ],
)
def test_a_killed_run_ends_with_the_same_weights_and_history(
    whole: Whole, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hook: str, epoch: int, batch: int
) -> None:
    undisturbed, folder = whole
    with monkeypatch.context() as patch, pytest.raises(Kill):
        kill_at(patch, hook, epoch, batch)
        train(Line(), tmp_path)
    resumed = Line()
    assert same(train(resumed, tmp_path), undisturbed)
    assert read_history(tmp_path) == read_history(folder)
    assert len(resumed.batches) == 3 * (EPOCHS - epoch), "finished epochs are not trained again"


def test_a_batch_script_of_several_tasks_trains_alone(
    whole: Whole, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process has the variables of its allocation, but srun did not start it with others."""
    for name, value in {
        "JOB_ID": 7,
        "NTASKS": 4,
        "PROCID": 0,
        "LOCALID": 0,
        "NODEID": 0,
        "NNODES": 2,
    }.items():
        monkeypatch.setenv(f"SLURM_{name}", str(value))
    assert same(train(Line(), tmp_path), whole[0])


def test_a_truncated_checkpoint_starts_the_training_again(
    whole: Whole, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch, pytest.raises(Kill):
        kill_at(patch, "on_train_batch_end", 3)
        train(Line(), tmp_path)
    checkpoint = tmp_path / LAST
    checkpoint.write_bytes(checkpoint.read_bytes()[:1000])
    assert same(train(Line(), tmp_path), whole[0])


def test_each_epoch_has_its_own_batches(tmp_path: Path) -> None:
    module = Line()
    train(module, tmp_path, epochs=2)
    assert module.batches[:3] != module.batches[3:]


def test_the_state_of_the_global_generator_does_not_matter(whole: Whole, tmp_path: Path) -> None:
    module = Line()
    torch.manual_seed(99)
    assert same(whole[0], train(module, tmp_path))


def scripted(losses: list[float]) -> Line:
    module = Line()
    module.dev_losses = iter(losses)
    return module


def test_the_best_epoch_is_kept(tmp_path: Path) -> None:
    second_is_best = train(scripted([0.5, 0.2, 0.4, 0.3, 0.6]), tmp_path / "best")
    two_epochs = train(scripted([0.5, 0.2]), tmp_path / "two", epochs=2)
    all_epochs = train(scripted([5, 4, 3, 2, 1]), tmp_path / "all")
    assert same(second_is_best, two_epochs)
    assert not same(second_is_best, all_epochs)


def test_without_a_monitor_the_last_epoch_is_kept(tmp_path: Path) -> None:
    last = train(scripted([0.5, 0.2, 0.4, 0.3, 0.6]), tmp_path / "last", monitor=None)
    assert same(last, train(scripted([5, 4, 3, 2, 1]), tmp_path / "best"))


def test_patience_stops_the_run(tmp_path: Path) -> None:
    train(scripted([0.5, 0.2, 0.4, 0.3, 0.1]), tmp_path, patience=2)
    assert [row["dev_loss"] for row in read_history(tmp_path)] == pytest.approx([0.5, 0.2, 0.4, 0.3])


def test_a_run_killed_after_its_early_stop_stays_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    losses = [0.5, 0.2, 0.4, 0.3, 0.1]
    undisturbed = train(scripted(losses), tmp_path / "whole", patience=2)
    with monkeypatch.context() as patch, pytest.raises(Kill):
        kill_at(patch, "on_train_end", 4)  # Lightning has counted the fourth epoch, number 3, as done
        train(scripted(losses), tmp_path / "killed", patience=2)
    resumed = scripted(losses[4:])
    assert same(train(resumed, tmp_path / "killed", patience=2), undisturbed)
    assert resumed.batches == []


def test_a_diverged_run_stops_and_says_so(tmp_path: Path) -> None:
    train(Line(learning_rate=1e30), tmp_path)
    history = read_history(tmp_path)
    assert len(history) < EPOCHS
    assert not all(math.isfinite(value) for value in history[-1].values())


def test_checkpoints_do_not_stay(whole: Whole) -> None:
    assert {path.name for path in whole[1].iterdir()} == {HISTORY, MACHINES}


def test_history_has_a_row_for_every_epoch(whole: Whole) -> None:
    history = read_history(whole[1])
    assert [row["epoch"] for row in history] == [0, 1, 2, 3, 4]
    assert all({"train_loss", "dev_loss"} <= row.keys() for row in history)
    assert history[-1]["train_loss"] < history[0]["train_loss"]


def test_report_comes_back(tmp_path: Path) -> None:
    report = {"status": "NC", "curve": [1.0, 0.5], "skipped": {"train": 2}}
    save_report(tmp_path, report)
    assert read_report(tmp_path) == report


@pytest.mark.parametrize(
    ("cap", "expected"),
    [(None, (100, 10)), (1000, (100, 10)), (20, (20, 1)), (250, (83, 3)), (300, (100, 3)), (1, (1, 1))],
)
def test_a_cap_shortens_the_budget_and_is_never_exceeded(cap: int | None, expected: tuple[int, int]) -> None:
    assert TrainerConfig(max_steps=cap).schedule(100, 10) == expected


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        ({"strategy": "dpp"}, "Did you mean 'ddp'"),
        ({"devices": 2}, "strategy=ddp"),
        ({"devices": 0}, "at least 1"),
        ({"num_nodes": 2}, "strategy=ddp"),
        ({"num_nodes": "auto"}, "num_nodes=auto must be a whole number"),
        ({"threads": 0}, "threads=0 must be"),
        ({"accelerator": "auto"}, "cpu, cuda, gpu"),
        ({"max_steps": 0}, "null for no cap"),
    ],
)
def test_choices_that_cannot_be_followed_are_refused(choice: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        TrainerConfig(**choice)


def test_messages_tell_the_pace(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO"):
        train(Line(), tmp_path, epochs=2)
    assert re.search(r"Line: epoch 2/2, dev_loss [\d.]+, [\d.e+]+ steps/s, 0 s left", caplog.text)


@pytest.mark.skipif(torch.cuda.is_available(), reason="a machine without a GPU is needed")
@pytest.mark.parametrize(
    ("choice", "message"),
    [
        ({"accelerator": "gpu"}, "this machine has 0 GPUs: train where they are"),
        ({"accelerator": "cpu", "strategy": "ddp", "num_nodes": 2}, "this one was started alone"),
    ],
)
def test_a_training_says_which_devices_it_lacks(choice: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=message):
        train(Line(), tmp_path, epochs=1, config=TrainerConfig(**choice))


def test_a_training_has_its_own_threads(tmp_path: Path) -> None:
    seen = []

    class Watch(Callback):
        def on_train_batch_start(self, *_: Any) -> None:
            seen.append(torch.get_num_threads())

    two = replace(CONFIG, threads=2)
    train(Line(), tmp_path, epochs=1, config=two, observers=[Watch()])
    assert set(seen) == {2} and torch.get_num_threads() == 1


def test_the_machines_that_trained_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    train(Line(), tmp_path, epochs=1)
    (first,) = read_machines(tmp_path)
    assert first["threads"] == first["devices"] == 1 and first["processor"] and first["instructions"]
    train(Line(), tmp_path, epochs=1)
    assert read_machines(tmp_path) == [first]
    monkeypatch.setattr(training, "machine", lambda device: {"processor": "another"})
    train(Line(), tmp_path, epochs=1)
    assert [each["processor"] for each in read_machines(tmp_path)] == [first["processor"], "another"]
    assert read_machines(tmp_path / "older") == []
