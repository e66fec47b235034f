"""One way to train anything here: Lightning, resumable after a kill with the same result.

A run is cut into short epochs (of a fixed number of batches, see `data.batching`), with a checkpoint
and a validation after each. A killed run starts again from its last checkpoint and sees the same
batches, crops and dropout masks as an undisturbed one, since all of them derive from (seed, epoch,
batch).
"""

import json
import logging
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import lightning
import torch
from lightning.fabric.plugins.environments import LightningEnvironment
from lightning.pytorch.callbacks import Callback, ModelCheckpoint, TQDMProgressBar
from lightning.pytorch.strategies import DDPStrategy
from torch.utils.data import DataLoader

from benchmark.artifacts import write_atomic
from benchmark.budget import capped
from benchmark.callbacks import History, Milestones, SpawnedProcess, StepSeeds, quieten
from benchmark.errors import UserError, unknown

log = logging.getLogger(__name__)

LAST, BEST, REPORT = "last.ckpt", "best.ckpt", "report.json"
STRATEGIES = ("auto", "ddp")


@dataclass(frozen=True, kw_only=True)
class TrainerConfig:
    """How trainings run on this machine; the group `trainer` holds the choices.

    Only `precision` and `max_steps` change what comes out beyond rounding, and are part of the keys.
    """

    accelerator: str = "auto"
    strategy: str = "auto"
    """auto: one device. ddp: a process per device, each with its rows of every batch."""
    devices: int = 1
    precision: str = "32-true"
    compile: bool = False
    """Whether the vocoder's networks go through torch.compile; probes are too small to gain by it."""
    max_steps: int | None = None
    """Caps the budget of every training; the shares of its schedule then refer to the cap."""
    progress_bar: bool = True
    num_workers: int = 0
    loggers: dict[str, Any] = field(default_factory=dict)
    """Lightning loggers by name, beside our own history file."""

    def __post_init__(self) -> None:
        """Raise UserError for a choice that no training can follow."""
        if self.strategy not in STRATEGIES:
            raise unknown("trainer.strategy", self.strategy, STRATEGIES)
        if self.devices < 1 or (self.devices > 1 and self.strategy == "auto"):
            raise UserError(
                f"trainer.devices={self.devices} with trainer.strategy={self.strategy}: "
                "several devices need strategy=ddp, and at least one is needed"
            )
        if self.max_steps is not None and self.max_steps < 1:
            raise UserError(f"trainer.max_steps={self.max_steps} must be at least 1, or null for no cap")

    @property
    def torch_device(self) -> str:
        """Where a trained module is best run afterwards."""
        gpu = self.accelerator in ("auto", "gpu", "cuda") and torch.cuda.is_available()
        return "cuda" if gpu else "cpu"

    def schedule(self, steps_per_epoch: int, epochs: int) -> tuple[int, int]:
        """Steps per epoch and epochs of a budget under the cap."""
        return capped(steps_per_epoch, epochs, self.max_steps)


def fit(
    module: lightning.LightningModule,
    train: DataLoader,
    dev: DataLoader | None,
    folder: Path,
    *,
    epochs: int,
    seed: int,
    config: TrainerConfig,
    monitor: str | None = None,
    patience: int | None = None,
    observers: Sequence[Callback] = (),
) -> None:
    """Train `module` for `epochs`, resuming from `folder` if a killed run left a checkpoint there.

    Leaves the module with its best weights by `monitor` (lower is better), or the last ones without
    a monitor; `history.csv` stays in the folder and the checkpoints are removed.

    Under `strategy=ddp` the ranks are processes spawned from here, which hold none of the caller's
    locks; everything given must pickle. Rank 0 alone writes. Validation runs whole on every rank, so
    that all of them take the same decisions without a message.

    Args:
        module: Logs its scalars per epoch; its weights are a pure function of the seed.
        train: Batches of one epoch; its batch sampler has `set_epoch`.
        dev: Validation batches, or None.
        folder: Where checkpoints and history go.
        epochs: Length of the run.
        seed: Fixes dropout and whatever else is drawn in a training step.
        config: Devices, precision, progress bar. Its cap is the caller's to apply, by `schedule`.
        monitor: Logged dev scalar that picks the best epoch.
        observers: Further callbacks, which may log scalars.
        patience: Stop after this many epochs without improvement; None trains to the end.
    """
    history = History(folder)
    callbacks: list[Callback] = [StepSeeds(seed), *observers, history]
    if config.strategy == "ddp":
        callbacks.append(SpawnedProcess())
    if monitor:
        best = ModelCheckpoint(folder, "best", monitor=monitor, mode="min", enable_version_counter=False)
        callbacks.append(best)
        if patience is not None:
            callbacks.append(lightning.pytorch.callbacks.EarlyStopping(monitor, patience=patience))
    # The last callback: its checkpoint holds the state of all the others after this epoch.
    callbacks.append(
        ModelCheckpoint(folder, "last", save_on_train_epoch_end=True, enable_version_counter=False)
    )
    if config.progress_bar:
        callbacks.append(TQDMProgressBar(refresh_rate=10))
    else:
        callbacks.append(Milestones(monitor))
    trainer = lightning.Trainer(
        accelerator=config.accelerator,
        strategy=_strategy(module, config),
        devices=config.devices,
        precision=config.precision,  # type: ignore[arg-type]
        max_epochs=epochs,
        callbacks=callbacks,
        logger=list(config.loggers.values()) or False,
        default_root_dir=folder,
        enable_progress_bar=config.progress_bar,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        use_distributed_sampler=False,
        log_every_n_steps=10,
    )
    with warnings.catch_warnings():
        quieten()
        trainer.fit(module, train, dev, ckpt_path=_usable_checkpoint(folder / LAST), weights_only=True)
    if monitor and (folder / BEST).exists():
        state = torch.load(folder / BEST, map_location="cpu", weights_only=True)
        module.load_state_dict(state["state_dict"])
    module.cpu().eval()
    for name in (LAST, BEST):
        (folder / name).unlink(missing_ok=True)


def save_report(folder: Path, report: dict[str, Any]) -> None:
    """Write a JSON-able training report beside the weights."""
    write_atomic(folder / REPORT, json.dumps(report, indent=1, sort_keys=True))


def read_report(folder: Path) -> dict[str, Any]:
    """What `save_report` wrote."""
    report: dict[str, Any] = json.loads((folder / REPORT).read_text())
    return report


def _strategy(module: lightning.LightningModule, config: TrainerConfig) -> Any:
    """DDP within this machine; a scheduler's variables in the environment are not for us.

    Spawned, since started scripts would wait for the artifact lock that this process holds, and
    forked ones could use neither CUDA nor threads.
    """
    if config.strategy == "auto":
        return "auto"
    return DDPStrategy(
        cluster_environment=LightningEnvironment(),
        start_method="spawn",
        # Under manual optimisation each backward reaches one of several networks.
        find_unused_parameters=not module.automatic_optimization,
    )


def _usable_checkpoint(path: Path) -> Path | None:
    """The checkpoint of a killed run, unless the kill left it unreadable."""
    if not path.exists():
        return None
    try:
        torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        log.warning("%s cannot be read (%s); training starts again", path, error)
        path.unlink()
        return None
    return path
