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
import time
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

LAST, BEST, HISTORY, REPORT = "last.ckpt", "best.ckpt", "history.csv", "report.json"


@dataclass(frozen=True, kw_only=True)
class TrainerConfig:
    """How trainings run on this machine; the group `trainer` holds the choices."""

    accelerator: str = "auto"
    precision: str = "32-true"
    progress_bar: bool = True
    num_workers: int = 0
    loggers: dict[str, Any] = field(default_factory=dict)
    """Lightning loggers by name, beside our own history file."""

    @property
    def torch_device(self) -> str:
        """Where a trained module is best run afterwards."""
        gpu = self.accelerator in ("auto", "gpu", "cuda") and torch.cuda.is_available()
        return "cuda" if gpu else "cpu"


class Milestones(Callback):
    """Four log lines a run, for runs side by side, whose progress bars would overwrite each other."""

    def __init__(self, monitor: str | None) -> None:
        self.monitor = monitor

    def on_train_start(self, trainer: lightning.Trainer, _: Any) -> None:
        """A resumed run counts from where it takes up."""
        self.begin, self.first = time.monotonic(), trainer.current_epoch

    def on_train_epoch_end(self, trainer: lightning.Trainer, module: lightning.LightningModule) -> None:
        """What the dev set says, and the time left at the pace so far."""
        epochs, done = trainer.max_epochs or 1, trainer.current_epoch + 1
        if done % max(1, epochs // 4):
            return
        left = (time.monotonic() - self.begin) / (done - self.first) * (epochs - done)
        score = trainer.callback_metrics.get(self.monitor or "")
        dev = "" if score is None else f", {self.monitor} {score:.3f}"
        log.info("%s: epoch %d/%d%s, %.0f s left", type(module).__name__, done, epochs, dev, left)


class StepSeeds(Callback):
    """Seed torch before each batch from (seed, epoch, batch), so dropout survives a resume."""

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def on_train_batch_start(self, trainer: lightning.Trainer, _: Any, __: Any, batch_idx: int) -> None:
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
        self.stopped = False

    def on_train_start(self, trainer: lightning.Trainer, _: lightning.LightningModule) -> None:
        """A run that was killed between its early stop and its end trains no further."""
        trainer.should_stop = self.stopped

    def on_train_epoch_start(self, trainer: lightning.Trainer, _: lightning.LightningModule) -> None:
        """Lightning would keep the last value of a scalar that is no longer logged."""
        trainer.callback_metrics.clear()

    def on_train_epoch_end(self, trainer: lightning.Trainer, _: lightning.LightningModule) -> None:
        """Runs after the validation of this epoch."""
        row = {"epoch": float(trainer.current_epoch)}
        row |= {name: float(value) for name, value in trainer.callback_metrics.items()}
        self.rows.append(row)
        write_history(self.path, self.rows)
        if not all(math.isfinite(value) for value in row.values()):
            log.warning("training diverged in epoch %d: %s", trainer.current_epoch, row)
            trainer.should_stop = True

    def on_save_checkpoint(self, trainer: lightning.Trainer, _: Any, checkpoint: dict[str, Any]) -> None:
        """Lightning forgets that a run has stopped."""
        checkpoint["stopped"] = trainer.should_stop

    def on_load_checkpoint(self, _: Any, __: Any, checkpoint: dict[str, Any]) -> None:
        """See `on_train_start`."""
        self.stopped = checkpoint["stopped"]

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
        return [{name: float(value) for name, value in row.items() if value} for row in csv.DictReader(file)]


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
    else:
        callbacks.append(Milestones(monitor))
    trainer = lightning.Trainer(
        accelerator=config.accelerator,
        devices=1,
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
        warnings.filterwarnings("ignore", ".*does not have many workers.*")
        warnings.filterwarnings("ignore", ".*exists and is not empty.*")
        warnings.filterwarnings("ignore", ".*LeafSpec.*")  # Lightning 2.6 on torch 2.11
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
