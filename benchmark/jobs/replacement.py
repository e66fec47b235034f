"""Jobs whose rows have one name, so that the later one replaces the rows of the earlier one."""

import logging
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from benchmark.errors import UserError
from benchmark.jobs.config_changes import SHOWN, changed, changes, flat, short, stored_config
from benchmark.results.store import NAME

if TYPE_CHECKING:
    from benchmark.jobs.job import Job

log = logging.getLogger(__name__)

TRIAL = ("task.limit", "trainer.max_steps")
"""Settings that make a job smaller, for a trial; null is the whole job."""


def require_room(job: "Job", key: str) -> None:
    """Warn that a job replaces rows of another config, and refuse a trial that would replace a larger job.

    Args:
        job: A job that is about to run.
        key: Its key.

    Raises: UserError if the rows come from a job with more utterances or steps; `policy=always` lifts this.
    """
    rows = job.results.job(*job.names)
    if not rows or rows[0].key in ("", key) or all(row.status == "failed" for row in rows):
        return
    then = stored_config(job.results.root, rows[0])
    smaller = _smaller(then or {}, job.config)
    if smaller and job.policy != "always":
        raise UserError(
            f"{smaller} would replace the rows of {job.label} × seed {job.context.seed}, which come from a "
            f"larger job. Name the trial by tokenizer.name={job.tokenizer.name}_trial, keep it elsewhere by "
            "RESULTS=<folder>, or replace the rows by policy=always"
        )
    why = changes(then or {}, job.config) if then else ["of a config that is gone"]
    log.warning(
        "this run replaces the rows of %s × seed %d (%s); another tokenizer.name= keeps both",
        *(job.label, job.context.seed, "; ".join(why) or "the code, the weights or the corpus has changed"),
    )


def _smaller(then: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """Return the setting that makes the present job smaller than an earlier one; empty if none does."""
    old, new = flat(then), flat(now)
    for name in TRIAL:
        before, value = old.get(name), new.get(name)
        if name in old and value is not None and (before is None or value < before):
            return f"{name.removeprefix('task.')}={value} (before: {short(before)})"
    return ""


def clashes(jobs: Sequence["Job"]) -> list[str]:
    """Return a sentence for every row name that several jobs of a sweep share although they differ.

    Jobs with equal keys are one job, as for the parts of a stage, unless they define a metric in two ways.
    """
    groups: dict[tuple[object, ...], list[Job]] = {}
    for job in jobs:
        groups.setdefault((str(job.results.root), *job.names), []).append(job)
    found = []
    for group in groups.values():
        others = [job for job in group[1:] if _differ(group[0], job)]
        if others:
            found.append(_sentence([group[0], *others]))
    return found


def _differ(one: "Job", other: "Job") -> bool:
    """Return whether two jobs of one name would write different rows."""
    if one.config == other.config:
        return False
    try:
        metrics = one.metric_keys(), other.metric_keys()
        return one.key() != other.key() or any(
            metrics[1].get(name, key) != key for name, key in metrics[0].items()
        )
    except Exception:  # a key needs files or artifacts that are not here yet; the configs must do
        return any(not name.startswith("task.metrics.") for name in changed(one.config, other.config))


def _sentence(jobs: Sequence["Job"]) -> str:
    first = jobs[0]
    names = list(dict.fromkeys(name for job in jobs[1:] for name in changed(first.config, job.config)))
    values = {name: list(dict.fromkeys(short(flat(job.config).get(name)) for job in jobs)) for name in names}
    what = "; ".join(f"{name} ({', '.join(values[name])})" for name in names[:SHOWN])
    return (
        f"{len(jobs)} jobs would replace each other's rows of {first.label} × seed {first.context.seed}, but "
        f"differ in {what or 'what their corpora hold'}. Give each its own name: {_remedy(first, values)}"
    )


def _remedy(job: "Job", values: Mapping[str, Sequence[str]]) -> str:
    """Return an override that names jobs apart, by the value that differs if it can be part of a name."""
    differing = next(iter(values), "")
    of_corpus = differing.startswith("dataset.")
    part, base = ("dataset", job.corpus.name) if of_corpus else ("tokenizer", job.tokenizer.name)
    named = [base + "_" + value.strip('"') for value in values.get(differing, ())]
    if named and all(NAME.fullmatch(name) for name in named):
        return f"'{part}.name={base}_${{{differing}}}'"
    return f"{part}.name=… in a command for each"
