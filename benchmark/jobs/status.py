"""States of jobs, such as done, missing or stale, with reasons; no job is run to find them."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from omegaconf import DictConfig, OmegaConf

from benchmark.errors import UserError
from benchmark.jobs.config_changes import changes, stored_config
from benchmark.jobs.cost.read_only_store import Absent
from benchmark.jobs.job import Job
from benchmark.results.row import Row

State = Literal["done", "NC", "missing", "stale", "failed", "unclear"]
COMPLETE: frozenset[State] = frozenset(("done", "NC"))


@dataclass(frozen=True)
class JobState:
    """State of a job, and the reason for it."""

    label: str
    state: State
    reason: str = ""


def look(cfg: DictConfig, make: Callable[[DictConfig], Job]) -> JobState:
    """Return the state of the job of a config; "unclear" if the job cannot be built."""
    try:
        return state_of(make(cfg))
    except UserError as error:
        names = (OmegaConf.select(cfg, f"{part}.name") or "?" for part in ("task", "tokenizer", "dataset"))
        return JobState(f"{' × '.join(map(str, names))} × seed {cfg.seed}", "unclear", str(error))


def state_of(job: Job) -> JobState:
    """Return the state of a job, from its rows in the results folder and the keys that it has now."""
    names = job.task.name, job.tokenizer.name, job.corpus.name, job.context.seed
    label = f"{job.label} × seed {job.context.seed}"
    try:
        variant = job.task.variant(job.tokenizer)
        rows = job.results.job(*names, variant)
    except UserError as error:
        return JobState(label, "unclear", str(error))
    failed = next((row for row in rows if row.status == "failed"), None)
    try:
        key, metric_keys = job.key(), job.metric_keys()
    except Absent as error:  # the key depends on the pairs to convert or the rate heard, see manifests
        reason = f"its rows depend on {error}, which this cache does not hold"
        return JobState(label, "unclear" if rows else "missing", reason if rows else "")
    except (UserError, OSError) as error:
        if failed is not None:
            return JobState(label, "failed", failed.reason)
        return JobState(label, "unclear" if rows else "missing", f"cannot run here: {error}")
    if not rows:
        return JobState(label, "missing")
    exists = job.context.store.exists
    if job.results.finished(*names, key, metric_keys, exists, variant):
        diverged = next((row for row in rows if row.status == "NC" and row.metric in metric_keys), None)
        return JobState(label, "NC", diverged.reason) if diverged else JobState(label, "done")
    if rows[0].key != key and rows[0].key:
        return JobState(label, "stale", "; ".join(_changes(job, rows[0])))
    if failed is not None and failed.metric in metric_keys:
        return JobState(label, "failed", failed.reason)
    return JobState(label, "stale", "; ".join(_incomplete(job, rows, metric_keys)))


def _changes(job: Job, row: Row) -> list[str]:
    """Describe the values of the config that have changed since the row was written."""
    then = stored_config(job.results.root, row)
    if then is None:
        name = f"{row.config_digest}.json"
        return [f"its key is another; its config {name} is gone, so that nobody can say what changed"]
    return changes(then, job.config) or [
        "the config is the same, so its code, its weights or its corpus has changed since commit "
        + (row.git_commit or "unknown")
    ]


def _incomplete(job: Job, rows: Sequence[Row], metric_keys: dict[str, str]) -> Iterator[str]:
    """Yield the reasons why a job is not done although its rows have the right key."""
    have = {row.metric: row.metric_key for row in rows}
    absent = [metric for metric in metric_keys if metric not in have]
    other = [metric for metric, key in metric_keys.items() if metric in have and have[metric] != key]
    gone = Counter(
        reference.partition("/")[0]
        for reference in sorted({reference for row in rows for reference in row.artifacts})
        if not job.context.store.exists(reference)
    )
    if absent:
        yield f"not scored yet: {', '.join(absent)}"
    if other:
        yield f"defined in another way now: {', '.join(other)}"
    if gone:
        kinds = ", ".join(f"{count} of {kind}" for kind, count in gone.items())
        yield f"artifacts gone from {job.context.store.root}: {kinds}"
    if not (absent or other or gone):
        yield "its scores by utterance are gone or damaged"


def text(states: Sequence[JobState]) -> str:
    """Format one line per job, and the number of jobs in each state."""
    width = max((len(state.label) for state in states), default=0)
    lines = [
        f"{state.state:8} {state.label:{width}}  {' '.join(state.reason.split())}".rstrip()
        for state in states
    ]
    counts = Counter(state.state for state in states)
    summary = ", ".join(f"{counts[name]} {name}" for name in get_args(State) if counts[name])
    return "\n".join([*lines, "", f"{len(states)} job{'s' if len(states) != 1 else ''}: {summary}"])
