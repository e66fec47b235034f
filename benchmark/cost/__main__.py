"""What a sweep costs, said before anything runs: hours of each device, disk, and what is done already.

    python -m benchmark.cost experiment=mini
    python -m benchmark.cost experiment=paper_speech,paper_asr,paper_intent --workers 8
    python -m benchmark.cost -m tokenizer=mimi,facodec task=asr_probe dataset=librispeech --rates my.yaml

takes what `python -m benchmark` takes, and several experiments at once. It touches no network and builds
nothing. Neither corpora nor weights need to be here: where a corpus has no manifest yet, its published
size counts. How fast things go stands in benchmark/cost/rates.yaml, each rate with its source.
"""

import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from huggingface_hub import constants
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from benchmark.build import build, make_job
from benchmark.cost.measure import measure
from benchmark.cost.present import Present
from benchmark.cost.rates import load_rates
from benchmark.cost.sweep import Sweep
from benchmark.cost.table import report
from benchmark.cost.work import Workload
from benchmark.errors import UserError
from benchmark.job import Job
from benchmark.plan import opened, planned, sweep_parser

EXPERIMENT = "experiment="


class Jobs:
    """Jobs from configs; a corpus or a tokenizer that many of them use is built, and listed, once."""

    def __init__(self) -> None:
        self._built: dict[str, Any] = {}

    def __call__(self, cfg: DictConfig) -> Job:
        """One job, whose store builds nothing."""
        job = make_job(cfg, self._build)
        return replace(job, setting=replace(job.setting, store=Present(job.setting.store.root)))

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


def main(arguments: list[str] | None = None) -> int:
    """Print the plan; 1 after a mistake of the user's."""
    parser = sweep_parser("python -m benchmark.cost", __doc__)
    parser.add_argument("--rates", type=Path, help="a file of rates in place of those that come with it")
    parser.add_argument("--workers", type=int, default=1, help="equal devices that share the work")
    parser.add_argument(
        "--measure", action="store_true", help="first time, for seconds each, the tokenizers that are here"
    )
    given = parser.parse_intermixed_args(arguments)
    constants.HF_HUB_OFFLINE = True  # a plan is made of what is here
    try:
        if given.workers < 1:
            raise UserError(f"--workers {given.workers} must be at least 1")
        make, jobs = Jobs(), []
        with opened(given.config_dir) as hydra:
            for overrides in sweeps(given.overrides):
                jobs += [make(cfg) for cfg in planned(hydra, overrides, given.multirun)]
        cache = jobs[0].setting.store.root
        if given.measure:
            for name, what in measure((job.tokenizer for job in jobs), cache).items():
                sys.stderr.write(f"{name}: {what}\n")
        rates = load_rates(given.rates, cache)
        sweep = Sweep(Workload(rates))
        for job in jobs:
            sweep.add(job)
        sys.stdout.write(report(sweep, rates, cache, given.workers) + "\n")
    except UserError as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
