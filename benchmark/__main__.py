"""The entry point: the command line, and the Hydra application that runs jobs.

speech-token-benchmark tokenizer=… dataset=… task=…
python -m benchmark tokenizer=… dataset=… task=…      # the same
"""

import logging
import sys
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.errors import CompactHydraException
from hydra.types import RunMode
from omegaconf import DictConfig

import benchmark.jobs.launchers  # noqa: F401  (before the first config is composed)
from benchmark.errors import UserError
from benchmark.jobs import command_line
from benchmark.jobs.compose import CONF
from benchmark.jobs.progress import Failure
from benchmark.jobs.settings import require_settings
from benchmark.training.cluster_environment import World, started_world

if TYPE_CHECKING:
    from benchmark.training.process_group import ProcessGroup

log = logging.getLogger(__name__)


@hydra.main(version_base="1.3", config_path=str(CONF), config_name="config")
def main(cfg: DictConfig) -> Failure | None:
    """Run one job; with `-m` Hydra calls this once per combination.

    In a sweep a failed job returns its failure, and `benchmark.jobs.hydra_callbacks` lists all of them at the
    end: Hydra alone would stop after the batch and name the first one only.
    """
    if HydraConfig.get().mode != RunMode.MULTIRUN:
        run(cfg)
        return None
    try:
        run(cfg)
    except CompactHydraException as error:
        log.debug("failed: %s", error)  # the job has logged the error already
        return Failure(str(error))
    except Exception as error:
        log.exception("failed")
        return Failure(f"{type(error).__name__}: {error}")
    return None


def run(cfg: DictConfig) -> None:
    """Run one job, or take part in the trainings of a job that rank 0 runs.

    Raises: CompactHydraException in place of every UserError.
    """
    # Imported here: --help and the process that only launches a sweep need none of the models' libraries.
    import torch

    from benchmark.training.process_group import group_of

    torch.set_num_threads(1)  # codes and scores then depend on no number of cores; trainings set their own
    try:
        require_settings(cfg)
        world = world_of(cfg)
        group = group_of(world) if world else None
        with group.job() if group else nullcontext():
            work(cfg, group)
    except UserError as error:
        log.error("failed: %s", error)
        raise CompactHydraException(str(error)) from None


def work(cfg: DictConfig, group: "ProcessGroup | None") -> None:
    """Run the job of a config on rank 0 of `group`; on every other rank, take part in its trainings.

    Raises: UserError if the error has not been logged yet, or CompactHydraException if the job has logged it.
    """
    from benchmark.jobs.build import make_job, make_trackers
    from benchmark.jobs.requirements import require_devices
    from benchmark.jobs.stages import join_stage, run_stage
    from benchmark.training.devices import use_own_device

    job = make_job(cfg)
    require_devices(cfg.device, job.tokenizer)
    job.context.trainer.require(group.world if group else None)
    if group:
        use_own_device(group.world)
        if not group.leads:
            join_stage(replace(job, context=replace(job.context, progress=False)), group)
            return
    if cfg.logger:
        job = replace(job, trackers=make_trackers(cfg, *place()))
    try:
        run_stage(job, cfg.stage, cfg.part)
    except UserError as error:
        # Hydra prints this class as its message alone, so a user's mistake shows no traceback.
        raise CompactHydraException(str(error)) from None


def world_of(cfg: DictConfig) -> World | None:
    """Return the processes that were started to run this job together, or None if this process runs it alone.

    Raises: UserError if several processes were started and each would run the whole job.
    """
    world = started_world()
    if world is None or cfg.trainer.strategy == "ddp":
        return world
    if cfg.part is not None:  # each process works on a part of its own
        return None
    raise UserError(
        f"{world} were started for this job, and each would do all of it: trainer=ddp shares its trainings "
        "between them; without it start one (srun --ntasks=1, submitit's tasks_per_node=1)"
    )


def place() -> tuple[str, Path]:
    """Return the name of the sweep's output folder, shared by its jobs, and the output folder of this job."""
    cfg = HydraConfig.get()
    group = cfg.sweep.dir if cfg.mode == RunMode.MULTIRUN else cfg.run.dir
    return Path(group).name, Path(cfg.runtime.output_dir)


def door() -> int:
    """Run the command typed after the name of the program, and return the exit status."""
    return command_line.main(sys.argv[1:], main)


if __name__ == "__main__":
    # The function is imported from `benchmark.__main__`, not taken from the module `__main__`: a launcher
    # pickles the application by its module's name, and its processes import that module to unpickle it.
    from benchmark.__main__ import door as installed_door

    sys.argv[0] = "python -m benchmark"  # the name of the program in messages
    sys.exit(installed_door())
