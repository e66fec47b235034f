"""Training of every model by Lightning; a killed training resumes and reaches the same result.

A training is divided into short epochs of a fixed number of batches (see `training.bucket_sampler`), with a
checkpoint and a validation after each. A killed training resumes from its last checkpoint. It sees the same
batches, crops and dropout masks as an undisturbed one, because all of them derive from (seed, epoch, batch).
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
from lightning.pytorch.callbacks import Callback, EarlyStopping, ModelCheckpoint, TQDMProgressBar
from torch.utils.data import DataLoader

from benchmark.errors import UserError, unknown
from benchmark.storage.atomic_files import write_atomic
from benchmark.training.budget import cap_schedule
from benchmark.training.callbacks import History, Milestones, RankProcess, StepSeeds, quieten
from benchmark.training.cluster_environment import World
from benchmark.training.ddp import ddp, require
from benchmark.training.process_group import LeftToRankZero, ProcessGroup

log = logging.getLogger(__name__)

LAST, BEST, REPORT = "last.ckpt", "best.ckpt", "report.json"
STRATEGIES = ("auto", "ddp")


@dataclass(frozen=True, kw_only=True)
class TrainerConfig:
    """Devices, precision and limits of all trainings; the config group `trainer` holds the presets.

    Only `precision` and `max_steps` change results beyond rounding, and are part of the cache keys.
    """

    accelerator: str = "auto"
    strategy: str = "auto"
    """auto: one device. ddp: one process per device, each with its rows of every batch. The processes are
    those that srun, submitit or torchrun started for the job, or else processes spawned on this machine."""
    devices: int | str = 1
    """Devices per node. auto: all GPUs of this machine, or one per process that was started on the node."""
    num_nodes: int | str = "auto"
    """Nodes. auto: those on which processes were started; no process is started on another node from here."""
    precision: str = "32-true"
    compile: bool = False
    """True passes the vocoder's networks through torch.compile; probes are too small to gain from it."""
    max_steps: int | None = None
    """Maximum number of steps of every training; fractions in its schedule then refer to this maximum."""
    progress_bar: bool = True
    num_workers: int = 0
    loggers: dict[str, Any] = field(default_factory=dict)
    """Lightning loggers by name, in addition to `history.csv`."""

    def __post_init__(self) -> None:
        """Raise UserError for values that no training can use."""
        if self.strategy not in STRATEGIES:
            raise unknown("trainer.strategy", self.strategy, STRATEGIES)
        for name, count in (("devices", self.devices), ("num_nodes", self.num_nodes)):
            if count != "auto" and (not isinstance(count, int) or count < 1):
                raise UserError(f"trainer.{name}={count} must be auto or a number, at least one")
        if self.strategy == "auto" and self.devices not in (1, "auto"):
            raise UserError(
                f"trainer.devices={self.devices} with trainer.strategy=auto: several devices need "
                "strategy=ddp, which trainer=ddp sets"
            )
        if self.max_steps is not None and self.max_steps < 1:
            raise UserError(f"trainer.max_steps={self.max_steps} must be at least 1, or null for no cap")

    @property
    def torch_device(self) -> str:
        """Device on which to run a trained module afterwards, "cuda" or "cpu"."""
        gpu = self.accelerator in ("auto", "gpu", "cuda") and torch.cuda.is_available()
        return "cuda" if gpu else "cpu"

    @property
    def own_devices(self) -> int:
        """Number of devices of this machine that a training uses if its process was started alone."""
        if isinstance(self.devices, int):
            return self.devices
        several = self.strategy == "ddp" and self.torch_device == "cuda"
        return torch.cuda.device_count() if several else 1

    def require(self, world: World | None) -> None:
        """Check the started processes against this config, see `ddp.require`."""
        require(world, self.devices, self.num_nodes, self.torch_device)

    def schedule(self, steps_per_epoch: int, epochs: int) -> tuple[int, int]:
        """Return the steps per epoch and the epochs of a training, limited to `max_steps`."""
        return cap_schedule(steps_per_epoch, epochs, self.max_steps)


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

    At the end, the module has its best weights by `monitor` (lower is better), or the last ones without a
    monitor. `history.csv` stays in the folder; the checkpoints are removed.

    Under `strategy=ddp`, the ranks are the processes that a launcher started for this job, which all call
    this function. Without such processes, the ranks are spawned here and hold none of the caller's locks; all
    arguments must then be picklable. Only rank 0 writes. Every rank runs the whole validation, so that all
    ranks take the same decisions without communication.

    Args:
        module: Module that logs its scalars per epoch; its weights are a pure function of the seed.
        train: Batches of one epoch; its batch sampler has `set_epoch`.
        dev: Validation batches, or None.
        folder: Folder of the checkpoints and the history.
        epochs: Number of epochs.
        seed: Fixes dropout and all other random draws of a training step.
        config: Devices, precision, progress bar. The caller applies `max_steps`, by `schedule`.
        monitor: Logged dev scalar that selects the best epoch.
        observers: Further callbacks, which may log scalars.
        patience: Stop after this many epochs without improvement; None trains to the end.

    Raises: LeftToRankZero at the end, on every rank but 0 of processes that a launcher started.
    """
    group, last = ProcessGroup.current, folder / LAST
    callbacks = [StepSeeds(seed), *observers, *_callbacks(folder, config, monitor, patience)]
    with warnings.catch_warnings():
        quieten()
        trainer = _trainer(config, group, callbacks, folder, epochs, module.automatic_optimization)
        if group is None:
            checkpoint = _usable_checkpoint(last)
            trainer.fit(module, train, dev, ckpt_path=checkpoint, weights_only=True)
        else:
            found = group.meet("checkpoint", lambda: "one" if _usable_checkpoint(last) else "none")
            with group.training("nccl" if config.torch_device == "cuda" else "gloo"):
                checkpoint = last if found == "one" else None
                trainer.fit(module, train, dev, ckpt_path=checkpoint, weights_only=True)
            if not group.leads:
                raise LeftToRankZero
    if monitor and (folder / BEST).exists():
        state = torch.load(folder / BEST, map_location="cpu", weights_only=True)
        module.load_state_dict(state["state_dict"])
    module.cpu().eval()
    for name in (LAST, BEST):
        (folder / name).unlink(missing_ok=True)


def _trainer(
    config: TrainerConfig,
    group: ProcessGroup | None,
    callbacks: list[Callback],
    folder: Path,
    epochs: int,
    automatic_optimization: bool,
) -> lightning.Trainer:
    """Build Lightning's trainer for this process, which runs alone or is one of `group`."""
    world = group.world if group else None
    several = world is not None or config.own_devices > 1
    # Under manual optimisation each backward reaches one of several networks.
    strategy = ddp(world, config.torch_device, not automatic_optimization) if several else "auto"
    return lightning.Trainer(
        accelerator=config.accelerator,
        strategy=strategy,
        devices=1 if world else config.own_devices,  # the strategy knows the devices of a world
        num_nodes=world.nodes if world else 1,
        # Only `World` reads a scheduler's variables: Lightning would wait for others, or requeue the job.
        plugins=[] if several else [LightningEnvironment()],
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


def _callbacks(
    folder: Path, config: TrainerConfig, monitor: str | None, patience: int | None
) -> list[Callback]:
    """Build the callbacks of every training, in the order that checkpoints need."""
    callbacks: list[Callback] = [History(folder)]
    if config.strategy == "ddp":
        callbacks.append(RankProcess())
    if monitor:
        best = ModelCheckpoint(folder, "best", monitor=monitor, mode="min", enable_version_counter=False)
        callbacks.append(best)
        if patience is not None:
            callbacks.append(EarlyStopping(monitor, patience=patience))
    # Last but for progress output: its checkpoint holds the state of all other callbacks after this epoch.
    callbacks.append(
        ModelCheckpoint(folder, "last", save_on_train_epoch_end=True, enable_version_counter=False)
    )
    return [*callbacks, TQDMProgressBar(refresh_rate=10) if config.progress_bar else Milestones(monitor)]


def save_report(folder: Path, report: dict[str, Any]) -> None:
    """Write a JSON-able training report beside the weights."""
    write_atomic(folder / REPORT, json.dumps(report, indent=1, sort_keys=True))


def read_report(folder: Path) -> dict[str, Any]:
    """Return the report that `save_report` wrote."""
    report: dict[str, Any] = json.loads((folder / REPORT).read_text())
    return report


def _usable_checkpoint(path: Path) -> Path | None:
    """Return the checkpoint of a killed run, or None; one that cannot be read is removed."""
    if not path.exists():
        return None
    try:
        torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        log.warning("%s cannot be read (%s); training starts again", path, error)
        path.unlink()
        return None
    return path
