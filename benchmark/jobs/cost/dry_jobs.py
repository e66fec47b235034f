"""The jobs of a command line as objects that build nothing."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from benchmark.jobs.build import build, make_job
from benchmark.jobs.cost.read_only_store import Present
from benchmark.jobs.job import Job

EXPERIMENT = "experiment="


class Jobs:
    """Jobs from configs; a corpus or a tokenizer that many of them use is built, and listed, once."""

    def __init__(self) -> None:
        self._built: dict[str, Any] = {}

    def __call__(self, cfg: DictConfig) -> Job:
        """One job, whose store builds nothing.

        Raises: UserError for a config that cannot be built.
        """
        job = make_job(cfg, self._build)
        return replace(job, context=replace(job.context, store=Present(job.context.store.root)))

    def _build(self, node: DictConfig) -> Any:
        try:
            key = json.dumps(OmegaConf.to_container(node, resolve=True), sort_keys=True)
        except OmegaConfBaseException:  # building it says what is wrong
            return build(node)
        if key not in self._built:
            self._built[key] = build(node)
        return self._built[key]


def sweeps(overrides: Sequence[str]) -> Iterator[list[str]]:
    """The overrides of each experiment, where several are named."""
    named = [override for override in overrides if override.startswith(EXPERIMENT)]
    rest = [override for override in overrides if not override.startswith(EXPERIMENT)]
    names = [name for override in named for name in override.removeprefix(EXPERIMENT).split(",") if name]
    yield from [[f"{EXPERIMENT}{name}", *rest] for name in names] or [rest]
