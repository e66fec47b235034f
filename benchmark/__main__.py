"""The entry point: `python -m benchmark tokenizer=… dataset=… task=…`, a plain Hydra application."""

import logging
from dataclasses import replace
from pathlib import Path

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.errors import CompactHydraException
from hydra.types import RunMode
from omegaconf import DictConfig

from benchmark.errors import UserError
from benchmark.overview import Failure

log = logging.getLogger(__name__)

NOISY = ("faiss.loader", "lightning.pytorch", "lightning.fabric")
"""Loggers that tell which build was loaded and which devices exist."""


@hydra.main(version_base="1.3", config_path="../conf", config_name="config")
def main(cfg: DictConfig) -> Failure | None:
    """Run one job; with `-m` Hydra calls this once per combination.

    In a sweep a failed job gives its failure back, and `benchmark.sweep` lists it at the end: Hydra would
    stop at the end of the batch and tell of the first one alone.
    """
    if HydraConfig.get().mode != RunMode.MULTIRUN:
        run(cfg)
        return None
    try:
        run(cfg)
    except CompactHydraException as error:
        log.debug("failed: %s", error)  # the job has said so itself
        return Failure(str(error))
    except Exception as error:
        log.exception("failed")
        return Failure(f"{type(error).__name__}: {error}")
    return None


def run(cfg: DictConfig) -> None:
    """Run one job.

    Raises: CompactHydraException in place of a user's mistake.
    """
    # Imported here: --help and the process that only launches a sweep need none of the models' libraries.
    import torch

    from benchmark.build import make_followers, make_job

    for name in NOISY:
        logging.getLogger(name).setLevel(logging.WARNING)
    torch.set_num_threads(cfg.threads)  # numbers depend on it, so it is set and not left to the machine
    try:
        job = make_job(cfg)
        if cfg.logger:
            job = replace(job, followers=make_followers(cfg, *place()))
    except UserError as error:
        log.error("failed: %s", error)
        raise CompactHydraException(str(error)) from None
    try:
        if "shard" in cfg:  # +shard=3/16: one of many processes that encode a corpus together
            job.encode(str(cfg.shard))
        else:
            job.run()
    except UserError as error:
        # Hydra prints this class as its message alone, so a user's mistake shows no traceback.
        raise CompactHydraException(str(error)) from None


def place() -> tuple[str, Path]:
    """What the jobs of this sweep share, the name of its folder, and where this one may write."""
    cfg = HydraConfig.get()
    group = cfg.sweep.dir if cfg.mode == RunMode.MULTIRUN else cfg.run.dir
    return Path(group).name, Path(cfg.runtime.output_dir)


if __name__ == "__main__":
    main()
