"""A sweep as a plan sees it: its jobs, the pieces of work in them, and which pieces are done."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from benchmark.jobs.cost.read_only_store import is_here
from benchmark.jobs.cost.workload import Workload
from benchmark.jobs.job import Job
from benchmark.tasks.costs import CostItem


@dataclass
class Sweep:
    """The pieces of work of all jobs added so far; an artifact counts once, however many jobs share it."""

    workload: Workload
    pieces: dict[str, CostItem] = field(default_factory=dict)
    """Pieces by key, in the order in which they are first needed."""
    done: set[str] = field(default_factory=set)
    """Keys of the pieces that are done already."""
    jobs: Counter[str] = field(default_factory=Counter)
    """Numbers of jobs, by name of the tokenizer."""
    jobs_done: Counter[str] = field(default_factory=Counter)
    _seen: set[tuple[object, ...]] = field(default_factory=set)

    def add(self, job: Job) -> None:
        """Add one job with its pieces; a job that was added before is ignored."""
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
        """Pieces that are not done yet."""
        return [piece for key, piece in self.pieces.items() if key not in self.done]


def is_done(job: Job) -> bool:
    """Return whether the rows of a job exist under its present key."""

    def ask() -> None:
        names = job.task.name, job.tokenizer.name, job.corpus.name, job.context.seed
        variant = job.task.variant(job.tokenizer)
        if not job.results.finished(*names, job.key(), job.metric_keys(), job.context.store.exists, variant):
            raise FileNotFoundError

    return is_here(ask)


def hours(pieces: Iterable[CostItem]) -> float:
    """Return the device-hours of some pieces of work."""
    return sum(piece.seconds for piece in pieces) / 3600
