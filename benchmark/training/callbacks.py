"""Callbacks of every training: per-step seeding, metric history, progress log lines, logging of ranks."""

import csv
import logging
import math
import time
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import lightning
import torch
from lightning.pytorch.callbacks import Callback

from benchmark.storage.atomic_files import write_atomic

log = logging.getLogger(__name__)

HISTORY = "history.csv"
LIBRARIES = ("lightning.pytorch", "lightning.fabric")
NOTHING_TO_SEE = (
    ".*does not have many workers.*",
    ".*exists and is not empty.*",
    ".*find_unused_parameters=True was specified.*",
    ".*LeafSpec.*",  # Lightning 2.6 on torch 2.11
    ".*is smaller than the logging interval.*",
    ".*The `srun` command is available.*",
)


def quieten() -> None:
    """Suppress what Lightning says that does not concern the user, such as the devices that it found."""
    for name in LIBRARIES:
        logging.getLogger(name).setLevel(logging.WARNING)
    for pattern in NOTHING_TO_SEE:
        warnings.filterwarnings("ignore", pattern)


class Milestones(Callback):
    """Callback that logs about four lines per training, instead of a progress bar.

    Progress bars of trainings that run side by side would overwrite each other.
    """

    def __init__(self, monitor: str | None) -> None:
        self.monitor = monitor

    def on_train_start(self, trainer: lightning.Trainer, _: Any) -> None:
        """Start the clock; a resumed training measures its pace from the epoch at which it resumes."""
        self.begin, self.first = time.monotonic(), trainer.current_epoch

    def on_train_epoch_end(self, trainer: lightning.Trainer, module: lightning.LightningModule) -> None:
        """Log the monitored dev value, the pace so far (steps/s) and the time left at this pace (s)."""
        epochs, done = trainer.max_epochs or 1, trainer.current_epoch + 1
        if not trainer.is_global_zero or done % max(1, epochs // 4):
            return
        seconds = (time.monotonic() - self.begin) / (done - self.first)
        score = trainer.callback_metrics.get(self.monitor or "")
        dev = "" if score is None else f", {self.monitor} {score:.3f}"
        log.info(
            "%s: epoch %d/%d%s, %.3g steps/s, %.0f s left",
            type(module).__name__,
            done,
            epochs,
            dev,
            int(trainer.num_training_batches) / seconds,
            seconds * (epochs - done),
        )


class StepSeeds(Callback):
    """Callback that seeds torch before each batch from (seed, epoch, batch, rank).

    A resumed training therefore draws the same dropout masks as an undisturbed one.
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def on_train_batch_start(self, trainer: lightning.Trainer, _: Any, __: Any, batch_idx: int) -> None:
        """Seed torch with a mix of the four numbers; rank 0 draws the same as a single process."""
        mixed = (self.seed * 1_000_003 + trainer.current_epoch) * 1_000_003 + batch_idx
        torch.manual_seed(mixed + trainer.global_rank * 7_368_787_000_003)


class RankProcess(Callback):
    """Callback that sets the number of threads and the logging of each DDP process.

    A spawned process inherits neither of them. In a process that a launcher started for the job, the callback
    restores the number of threads, which Lightning would divide among the processes.
    """

    def __init__(self) -> None:
        self.threads = torch.get_num_threads()
        self.level = logging.getLogger().level

    def setup(self, trainer: lightning.Trainer, *_: Any, **__: Any) -> None:
        """Restore the threads, and quieten Lightning; only rank 0 gets a handler that prints log lines."""
        torch.set_num_threads(self.threads)
        quieten()
        if trainer.is_global_zero and not logging.getLogger().handlers:
            logging.basicConfig(
                level=self.level, format="[%(asctime)s][%(name)s][%(levelname)s] - %(message)s"
            )


class History(Callback):
    """Callback that keeps one row of logged scalars per epoch, in the checkpoint and in `history.csv`.

    The callback also stops a diverged training: a monitored or logged value that is not finite ends the
    training, and the caller finds this value in the history.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / HISTORY
        self.rows: list[dict[str, float]] = []
        self.stopped = False

    def on_train_start(self, trainer: lightning.Trainer, _: lightning.LightningModule) -> None:
        """Stop at once if the training was killed after it had stopped early, but before its end."""
        trainer.should_stop = self.stopped

    def on_train_epoch_start(self, trainer: lightning.Trainer, _: lightning.LightningModule) -> None:
        """Clear the logged scalars: Lightning would keep the last value of one that is no longer logged."""
        trainer.callback_metrics.clear()

    def on_train_epoch_end(self, trainer: lightning.Trainer, _: lightning.LightningModule) -> None:
        """Append the row of this epoch, and stop the training if a value is not finite.

        Lightning calls this method after the validation, on every rank with the same values.
        """
        row = {"epoch": float(trainer.current_epoch)}
        row |= {name: float(value) for name, value in trainer.callback_metrics.items()}
        self.rows.append(row)
        if trainer.is_global_zero:
            write_history(self.path, self.rows)
        if not all(math.isfinite(value) for value in row.values()):
            log.warning("training diverged in epoch %d: %s", trainer.current_epoch, row)
            trainer.should_stop = True

    def on_save_checkpoint(self, trainer: lightning.Trainer, _: Any, checkpoint: dict[str, Any]) -> None:
        """Save whether the training has stopped, which Lightning's own checkpoint does not hold."""
        checkpoint["stopped"] = trainer.should_stop

    def on_load_checkpoint(self, _: Any, __: Any, checkpoint: dict[str, Any]) -> None:
        """Restore whether the training had stopped, for `on_train_start`."""
        self.stopped = checkpoint["stopped"]

    def state_dict(self) -> dict[str, Any]:
        """Return the rows so far, so that a resumed training continues the same history."""
        return {"rows": self.rows}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the rows from a checkpoint."""
        self.rows = state_dict["rows"]


def write_history(path: Path, rows: Sequence[dict[str, float]]) -> None:
    """Write the history as CSV, with the columns in order of first appearance."""
    columns = list(dict.fromkeys(name for row in rows for name in row))
    lines = [",".join(columns)]
    lines += [",".join(repr(row[name]) if name in row else "" for name in columns) for row in rows]
    write_atomic(path, "\n".join(lines) + "\n")


def read_history(folder: Path) -> list[dict[str, float]]:
    """Return the history that a training wrote into `folder`, one dictionary per epoch."""
    with (folder / HISTORY).open() as file:
        return [{name: float(value) for name, value in row.items() if value} for row in csv.DictReader(file)]
