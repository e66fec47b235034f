"""Training of every model by Lightning; a killed training resumes and reaches the same result.

A training is divided into short epochs of a fixed number of batches (see `training.bucket_sampler`), with a
checkpoint and a validation after each. A killed training resumes from its last checkpoint. It sees the same
batches, crops and dropout masks as an undisturbed one, because all of them derive from (seed, epoch, batch).
"""

import logging
import warnings
from collections.abc import Sequence
from pathlib import Path

import lightning
import torch
from lightning.fabric.plugins.environments import LightningEnvironment
from lightning.pytorch.callbacks import Callback, EarlyStopping, ModelCheckpoint, TQDMProgressBar
from torch.utils.data import DataLoader

from benchmark.training.callbacks import History, Milestones, RankProcess, StepSeeds, quieten
from benchmark.training.config import TrainerConfig
from benchmark.training.ddp import ddp
from benchmark.training.machine import machine, sign, torch_threads
from benchmark.training.process_group import LeftToRankZero, ProcessGroup

log = logging.getLogger(__name__)

LAST, BEST = "last.ckpt", "best.ckpt"


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
    if group is None:
        config.require_devices()
    if group is None or group.leads:
        here = machine(config.torch_device)
        sign(folder, here | {"threads": config.threads, "devices": config.world_size})
    with warnings.catch_warnings(), torch_threads(config.threads):
        quieten()
        callbacks = [StepSeeds(seed), *observers, *_callbacks(folder, config, monitor, patience)]
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
    several = world is not None or config.devices > 1
    # Under manual optimisation each backward reaches one of several networks.
    strategy = ddp(world, config.torch_device, not automatic_optimization) if several else "auto"
    return lightning.Trainer(
        accelerator="gpu" if config.on_gpu else "cpu",
        strategy=strategy,
        devices=1 if world else config.devices,  # the strategy knows the devices of a world
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
