"""What accompanies every training: seeds per step, the curve, messages, and a rank's manners."""

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
    """Leave out the warnings of Lightning that say nothing to whoever runs a benchmark."""
    for pattern in NOTHING_TO_SEE:
        warnings.filterwarnings("ignore", pattern)


class Milestones(Callback):
    """Four log lines a run, for runs side by side, whose progress bars would overwrite each other."""

    def __init__(self, monitor: str | None) -> None:
        self.monitor = monitor

    def on_train_start(self, trainer: lightning.Trainer, _: Any) -> None:
        """A resumed run counts from where it takes up."""
        self.begin, self.first = time.monotonic(), trainer.current_epoch

    def on_train_epoch_end(self, trainer: lightning.Trainer, module: lightning.LightningModule) -> None:
        """What the dev set says, the pace so far and the time left at it."""
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
    """Seed torch before each batch from (seed, epoch, batch, rank), so dropout survives a resume."""

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def on_train_batch_start(self, trainer: lightning.Trainer, _: Any, __: Any, batch_idx: int) -> None:
        """Derive the seed by mixing with large odd constants; rank 0 draws as a single process does."""
        mixed = (self.seed * 1_000_003 + trainer.current_epoch) * 1_000_003 + batch_idx
        torch.manual_seed(mixed + trainer.global_rank * 7_368_787_000_003)


class RankProcess(Callback):
    """Gives a spawned process what it does not inherit: number of threads, where messages go, and which.

    In one that was started for the job it puts back the threads, which Lightning would divide.
    """

    def __init__(self) -> None:
        self.threads = torch.get_num_threads()
        self.level = logging.getLogger().level
        self.levels = {name: logging.getLogger(name).level for name in LIBRARIES}

    def setup(self, trainer: lightning.Trainer, *_: Any, **__: Any) -> None:
        """Only rank 0 speaks."""
        torch.set_num_threads(self.threads)
        quieten()
        for name, level in self.levels.items():
            logging.getLogger(name).setLevel(level)
        if trainer.is_global_zero and not logging.getLogger().handlers:
            logging.basicConfig(
                level=self.level, format="[%(asctime)s][%(name)s][%(levelname)s] - %(message)s"
            )


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
        """Runs after the validation of this epoch, on every rank with the same values."""
        row = {"epoch": float(trainer.current_epoch)}
        row |= {name: float(value) for name, value in trainer.callback_metrics.items()}
        self.rows.append(row)
        if trainer.is_global_zero:
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
    """The curve a training wrote into `folder`."""
    with (folder / HISTORY).open() as file:
        return [{name: float(value) for name, value in row.items() if value} for row in csv.DictReader(file)]
