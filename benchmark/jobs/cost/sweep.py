"""The whole sweep: its jobs, its pieces, and what of them is done."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from benchmark.jobs.cost.read_only_store import is_here
from benchmark.jobs.cost.workload import Workload
from benchmark.jobs.job import Job
from benchmark.tasks.costs import CostItem


@dataclass
class Sweep:
    """Jobs are added one by one; each artifact counts once, however many of them share it."""

    workload: Workload
    pieces: dict[str, CostItem] = field(default_factory=dict)
    """By key, in the order in which they are first needed."""
    done: set[str] = field(default_factory=set)
    """Keys of what need not be made again."""
    jobs: Counter[str] = field(default_factory=Counter)
    """Jobs by tokenizer."""
    jobs_done: Counter[str] = field(default_factory=Counter)
    _seen: set[tuple[object, ...]] = field(default_factory=set)

    def add(self, job: Job) -> None:
        """Count one job."""
        task, tokenizer = job.task, job.tokenizer
        name = task.name, tokenizer.name, job.corpus.name, job.context.seed, task.variant(tokenizer)
        if name in self._seen:
            return
        self._seen.add(name)
        self.jobs[tokenizer.name] += 1
        finished = job.policy == "only_missing" and is_done(job)
        self.jobs_done[tokenizer.name] += finished
        for piece in self.workload.pieces(job):
            known = piece.key in self.pieces
            self.pieces.setdefault(piece.key, piece)
            if finished or (not known and piece.ask is not None and is_here(piece.ask)):
                self.done.add(piece.key)

    @property
    def to_do(self) -> list[CostItem]:
        """What has still to be made."""
        return [piece for key, piece in self.pieces.items() if key not in self.done]


def is_done(job: Job) -> bool:
    """Whether its rows are there, under the key that it has now."""

    def ask() -> None:
        names = job.task.name, job.tokenizer.name, job.corpus.name, job.context.seed
        variant = job.task.variant(job.tokenizer)
        if not job.results.finished(*names, job.key(), job.metric_keys(), job.context.store.exists, variant):
            raise FileNotFoundError

    return is_here(ask)


def hours(pieces: Iterable[CostItem]) -> float:
    """Device-hours of some pieces."""
    return sum(piece.seconds for piece in pieces) / 3600
