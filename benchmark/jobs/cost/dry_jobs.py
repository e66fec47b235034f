"""Jobs of a command line, built with stores that make no artifacts."""

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
    """Builder of jobs from configs, which builds and lists a corpus or tokenizer once for all its jobs."""

    def __init__(self) -> None:
        self._built: dict[str, Any] = {}

    def __call__(self, cfg: DictConfig) -> Job:
        """Build one job, with a store that makes no artifacts.

        Raises: UserError for a config that cannot be built.
        """
        job = make_job(cfg, self._build)
        return replace(job, context=replace(job.context, store=Present(job.context.store.root)))

    def _build(self, node: DictConfig) -> Any:
        try:
            key = json.dumps(OmegaConf.to_container(node, resolve=True), sort_keys=True)
        except OmegaConfBaseException:  # `build` reports the mistake
            return build(node)
        if key not in self._built:
            self._built[key] = build(node)
        return self._built[key]


def sweeps(overrides: Sequence[str]) -> Iterator[list[str]]:
    """Yield the overrides of each named experiment, or all overrides unchanged if none is named."""
    named = [override for override in overrides if override.startswith(EXPERIMENT)]
    rest = [override for override in overrides if not override.startswith(EXPERIMENT)]
    names = [name for override in named for name in override.removeprefix(EXPERIMENT).split(",") if name]
    yield from [[f"{EXPERIMENT}{name}", *rest] for name in names] or [rest]
