"""The entry point: `python -m benchmark tokenizer=… dataset=… task=…`, a plain Hydra application."""

import logging
from typing import Any

import hydra
import torch
from hydra.errors import CompactHydraException
from omegaconf import DictConfig, OmegaConf

from benchmark.artifacts import ArtifactStore
from benchmark.build import build
from benchmark.errors import UserError
from benchmark.job import Job
from benchmark.results.store import ResultsStore
from benchmark.tasks.base import Setting


def make_job(cfg: DictConfig) -> Job:
    """Build every part of one run from the composed config.

    Raises: UserError for a config that cannot be built.
    """
    return Job(
        profile=cfg.profile_name,
        tokenizer=build(cfg.tokenizer),
        corpus=build(cfg.dataset),
        task=build(cfg.task),
        setting=Setting(
            store=ArtifactStore(cfg.paths.cache),
            trainer=build(cfg.trainer),
            seed=cfg.seed,
            device=cfg.device,
            processes=cfg.threads,
            progress=cfg.trainer.progress_bar,
        ),
        results=ResultsStore(f"{cfg.paths.results}/{cfg.profile_name}"),
        config=scientific_part(cfg),
        policy=cfg.policy,
    )


def scientific_part(cfg: DictConfig) -> dict[str, Any]:
    """The resolved config as plain data, without what only says where things are kept or shown."""
    content = OmegaConf.to_container(cfg, resolve=True)
    assert isinstance(content, dict)
    content["trainer"].pop("loggers")
    return {str(name): value for name, value in content.items() if name not in ("paths", "logger", "policy")}


@hydra.main(version_base="1.3", config_path="../conf", config_name="config")
def main(cfg: DictConfig) -> None:
    """Run one job; with `-m` Hydra calls this once per combination."""
    for name in ("faiss.loader", "lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.WARNING)  # which build was loaded, which devices exist
    torch.set_num_threads(cfg.threads)  # numbers depend on it, so it is set and not left to the machine
    try:
        make_job(cfg).run()
    except UserError as error:
        # Hydra prints this class as its message alone, so a user's mistake shows no traceback.
        raise CompactHydraException(str(error)) from None


if __name__ == "__main__":
    main()
