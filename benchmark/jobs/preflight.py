"""Checks before a sweep: one list of everything that is bound to fail, and an estimate of the work.

Only jobs that are not done are checked. A download that the hub has confirmed is no problem, because the job
fetches the file.
"""

import importlib.util
import logging
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from omegaconf import DictConfig

from benchmark.errors import UserError, unknown
from benchmark.jobs.cost.dry_jobs import Jobs
from benchmark.jobs.cost.rates import load_rates
from benchmark.jobs.cost.sweep import Sweep
from benchmark.jobs.cost.workload import Workload
from benchmark.jobs.doctor import Examination, Item, text
from benchmark.jobs.job import Job
from benchmark.jobs.progress import Expected
from benchmark.jobs.replacement import clashes
from benchmark.jobs.requirements import MissingRequirement
from benchmark.jobs.status import COMPLETE, state_of
from benchmark.jobs.trackers.wandb_tracker import has_login, is_offline
from benchmark.storage.hub_downloads import Hub

log = logging.getLogger(__name__)

POLICIES = ("stop", "warn", "off")
LEAST_FREE = 200_000_000
"""Bytes that a folder must have free, however little the jobs are expected to write."""


@dataclass(frozen=True)
class Preflight:
    """Result of the checks: the expected work, and the problems that would make jobs fail."""

    expected: Expected
    problems: list[Item]
    labels: Mapping[int, str] = field(default_factory=dict)
    """Labels of jobs in printed lines, by number."""
    clashes: list[str] = field(default_factory=list)
    """Sentences about jobs that would replace each other's rows."""

    @property
    def text(self) -> str:
        """The clashes and problems, with commands that fetch missing files or libraries; empty if none."""
        problems = [text(self.problems)] if self.problems else []
        return "\n\n".join([*self.clashes, *problems])


def preflight(configs: Sequence[DictConfig], workers: int = 1, elsewhere: bool = False) -> Preflight:
    """Check every job of a sweep that is not done.

    Args:
        configs: Configs of the jobs, in the order of their numbers.
        workers: Number of jobs that will run side by side, and so of trainings with checkpoints on disk.
        elsewhere: True if the jobs run on other machines, whose devices may differ from those of this one.

    Raises: UserError if `preflight` is not one of `POLICIES`.
    """
    for cfg in configs:
        if cfg.preflight not in POLICIES:
            raise unknown("preflight", cfg.preflight, POLICIES)
    if not configs or configs[0].preflight == "off":
        return Preflight(Expected(jobs=len(configs)), [])
    make, examination = Jobs(), Examination(Hub())
    sweep: Sweep | None = None
    done, seconds, labels = set(), {}, {}
    jobs: list[Job] = []
    for number, cfg in enumerate(configs):
        try:
            job = make(cfg)
            piece = [f"{name} {cfg[name]}" for name in ("stage", "part") if cfg[name] not in (None, "all")]
            labels[number] = " × ".join([job.label, f"seed {job.context.seed}", *piece])
            jobs.append(job)
            if job.policy == "only_missing" and state_of(job).state in COMPLETE:
                done.add(number)
                continue
            cache = job.context.store.root
            sweep = sweep or Sweep(Workload(load_rates(None, cache)))
            before = {piece.key for piece in sweep.to_do}
            sweep.add(job)
            seconds[number] = 1.0 + sum(p.seconds for p in sweep.to_do if p.key not in before)
        except UserError as error:  # `examination` reports the same error below
            log.debug("job %d: %s", number, error)
            seconds[number] = 1.0
        examination.add(cfg)
    problems = [item for item in map(_fatal, examination.items) if item.needs]
    if elsewhere:
        problems = [item for item in problems if item.kind != "device"]
    problems += _disk(configs[0], sweep, workers)
    problems += _loggers(configs[0])
    expected = Expected(jobs=len(configs), done=frozenset(done), seconds=seconds)
    return Preflight(expected, problems if seconds else [], labels, clashes(jobs))


def _fatal(item: Item) -> Item:
    """Return the item without requirements that the job will download by itself."""
    needs = [n for n in item.needs if n.download is None or not n.download.exact or n.download.note]
    return replace(item, needs=needs)


def _disk(cfg: DictConfig, sweep: Sweep | None, workers: int) -> Iterator[Item]:
    """Yield folders that cannot be written, or are too small for the expected files."""
    to_come = 0.0
    if sweep is not None:
        scratch = sorted((piece.scratch for piece in sweep.to_do), reverse=True)[:workers]
        to_come = sum(piece.size for piece in sweep.to_do) + sum(scratch)
    for variable, folder, size in (("CACHE", cfg.paths.cache, to_come), ("RESULTS", cfg.paths.results, 0.0)):
        path = Path(folder).absolute()
        present = next(parent for parent in (path, *path.parents) if parent.exists())
        free, wanted = shutil.disk_usage(present).free, max(size, LEAST_FREE)
        if not os.access(present, os.W_OK):
            yield Item(
                "disk",
                folder,
                [MissingRequirement(f"cannot be written; name another by {variable}=<folder>")],
            )
        elif free < wanted:
            yield Item(
                "disk",
                folder,
                [
                    MissingRequirement(
                        f"{free / 1e9:.1f} GB free, about {wanted / 1e9:.1f} GB are to come; "
                        f"make room, or name another by {variable}=<folder>"
                    )
                ],
            )


def _loggers(cfg: DictConfig) -> Iterator[Item]:
    """Yield dashboards that the config asks for and that cannot receive runs."""
    if "wandb" not in cfg.logger or is_offline():
        return
    if importlib.util.find_spec("wandb") is None:
        yield Item("logger", "wandb", [MissingRequirement("library wandb", install="pip install wandb")])
    elif not has_login():
        need = MissingRequirement("no login: `wandb login`, or WANDB_MODE=offline to keep runs on disk")
        yield Item("logger", "wandb", [need])
