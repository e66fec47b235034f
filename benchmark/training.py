"""One way to train anything here: Lightning, resumable after a kill with the same result.

A run is cut into short epochs (of a fixed number of batches, see `data.batching`), with a checkpoint
and a validation after each. A killed run starts again from its last checkpoint and sees the same
batches, crops and dropout masks as an undisturbed one, since all of them derive from (seed, epoch,
batch).
"""

import csv
import json
import logging
import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import lightning
import torch
from lightning.pytorch.callbacks import Callback, ModelCheckpoint, TQDMProgressBar
from torch.utils.data import DataLoader

from benchmark.artifacts import write_atomic

log = logging.getLogger(__name__)

LAST, BEST, HISTORY = "last.ckpt", "best.ckpt", "history.csv"


@dataclass(frozen=True, kw_only=True)
class TrainerConfig:
    """How trainings run on this machine; the group `trainer` holds the choices."""

    accelerator: str = "auto"
    devices: int = 1
    precision: str = "32-true"
    progress_bar: bool = True
    num_workers: int = 0
    loggers: list[Any] = field(default_factory=list)
    """Lightning loggers beside our own history file."""


class StepSeeds(Callback):
    """Seed torch before each batch from (seed, epoch, batch), so dropout survives a resume."""

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def on_train_batch_start(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Derive the seed by mixing with large odd constants."""
        torch.manual_seed((self.seed * 1_000_003 + trainer.current_epoch) * 1_000_003 + batch_idx)


class History(Callback):
    """One line of logged scalars per epoch, in the checkpoint and in `history.csv`.

    Also stops a diverged run: a monitored or logged value that is not finite ends the training, and
    the caller finds it in the history.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / HISTORY
        self.rows: list[dict[str, float]] = []

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Runs after the validation of this epoch."""
        row = {"epoch": float(trainer.current_epoch)}
        row |= {name: float(value) for name, value in trainer.callback_metrics.items()}
        self.rows.append(row)
        write_history(self.path, self.rows)
        if not all(math.isfinite(value) for value in row.values()):
            log.warning("training diverged in epoch %d: %s", trainer.current_epoch, row)
            trainer.should_stop = True

    def state_dict(self) -> dict[str, Any]:
        """Rows so far, so that a resumed run continues the same curve."""
        return {"rows": self.rows}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take the curve up where the checkpoint left it."""
        self.rows = state_dict["rows"]


def write_history(path: Path, rows: Sequence[dict[str, float]]) -> None:
    """Write the curve as CSV, columns in order of first appearance."""
    columns = list(dict.fromkeys(name for row in rows for name in row))
    lines = [",".join(columns)]
    lines += [",".join(repr(row[name]) if name in row else "" for name in columns) for row in rows]
    write_atomic(path, "\n".join(lines) + "\n")


def read_history(folder: Path) -> list[dict[str, float]]:
    """The curve `fit` wrote into `folder`."""
    with (folder / HISTORY).open() as file:
        return [
            {name: float(value) for name, value in row.items() if value} for row in csv.DictReader(file)
        ]


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
) -> None:
    """Train `module` for `epochs`, resuming from `folder` if a killed run left a checkpoint there.

    Leaves the module with its best weights by `monitor` (lower is better), or the last ones without
    a monitor; `history.csv` stays in the folder and the checkpoints are removed.

    Args:
        module: Logs its scalars per epoch; its weights are a pure function of the seed.
        train: Batches of one epoch; its batch sampler has `set_epoch`.
        dev: Validation batches, or None.
        folder: Where checkpoints and history go.
        epochs: Length of the run.
        seed: Fixes dropout and whatever else is drawn in a training step.
        config: Device, precision, progress bar.
        monitor: Logged dev scalar that picks the best epoch.
        patience: Stop after this many epochs without improvement; None trains to the end.
    """
    history = History(folder)
    callbacks: list[Callback] = [StepSeeds(seed), history]
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
    trainer = lightning.Trainer(
        accelerator=config.accelerator,
        devices=config.devices,
        precision=config.precision,  # type: ignore[arg-type]
        max_epochs=epochs,
        callbacks=callbacks,
        logger=config.loggers or False,
        default_root_dir=folder,
        enable_progress_bar=config.progress_bar,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        use_distributed_sampler=False,
        log_every_n_steps=10,
    )
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*does not have many workers.*")
        warnings.filterwarnings("ignore", ".*exists and is not empty.*")
        trainer.fit(module, train, dev, ckpt_path=_usable_checkpoint(folder / LAST), weights_only=True)
    if monitor and (folder / BEST).exists():
        state = torch.load(folder / BEST, map_location="cpu", weights_only=True)
        module.load_state_dict(state["state_dict"])
    module.cpu().eval()
    for name in (LAST, BEST):
        (folder / name).unlink(missing_ok=True)


def save_report(folder: Path, report: dict[str, Any]) -> None:
    """Write a JSON-able training report beside the weights."""
    write_atomic(folder / "report.json", json.dumps(report, indent=1, sort_keys=True))


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
