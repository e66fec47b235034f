"""Selection of the metrics of a config that a task computes."""

from collections.abc import Mapping
from difflib import get_close_matches
from typing import TypeVar

from benchmark.errors import UserError, unknown
from benchmark.metrics.reported import ReportedMetric

M = TypeVar("M", bound=ReportedMetric)

ALIKE = 0.85
"""Similarity from which an unknown kind of task counts as a misspelling of a known one."""


def chosen_metrics(metrics: Mapping[str, object], accepted: type[M], kinds: tuple[str, ...]) -> dict[str, M]:
    """Select the metrics that a task can compute and that are meant for that task.

    Args:
        metrics: All metrics of the config group `metric`, by name.
        accepted: Class of metrics that the task can compute: of decoded speech, of answers or of codes.
        kinds: Names by which a metric's `tasks` may refer to the task.

    Raises: UserError for a value that is no metric, or for `tasks` with a misspelled kind.
    """
    wrong = [name for name, metric in metrics.items() if not isinstance(metric, ReportedMetric)]
    if wrong:
        raise UserError(f"metric={', '.join(wrong)}: no metric; each key of the group `metric` holds one")
    found: dict[str, M] = {}
    for name, metric in metrics.items():
        if not isinstance(metric, accepted):
            continue
        for task in metric.tasks:
            if task not in kinds and get_close_matches(task, kinds, cutoff=ALIKE):
                raise unknown(f"task of metric {name}", task, kinds)
        if not metric.tasks or set(metric.tasks) & set(kinds):
            found[name] = metric
    return found
