"""Which tables there are, from what the rows say of the tables that they stand in."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchmark.metrics.reported import MetricInfo
from benchmark.results import older_rows
from benchmark.results.row import Row

CONDITIONS = "conditions"
"""After the name of a table: the same metrics by condition."""
LAST = 100
"""Place of a table that claims none."""


@dataclass(frozen=True)
class Layout:
    """Which rows a table shows: those of its tasks, over all utterances or by condition.

    Attributes:
        tasks: In the order of their columns.
        title: Heading.
        by_condition: Whether every column is a metric under one condition, with utterances of its own.
        compares_ranks: Whether its columns measure one thing in several ways, so that ranks are compared.
        axis: What its numbers are in the figure that sets speech against content, or empty.
        overview: Metrics that the overview shows of it, all where there are none; None for no place there.
        short: Heading of its columns in the overview.
    """

    tasks: tuple[str, ...]
    title: str
    by_condition: bool = False
    compares_ranks: bool = False
    axis: str = ""
    overview: tuple[str, ...] | None = None
    short: str = ""

    def shows(self, row: Row) -> bool:
        """Whether the row has a place in the table; metrics by condition are called "metric/condition"."""
        return row.task in self.tasks and ("/" in row.metric) is self.by_condition


def layouts(rows: Iterable[Row]) -> dict[str, Layout]:
    """Return the tables of some rows by name, in order; which rows there are decides on no title or place.

    A task whose rows declare no table has one of its own.
    """
    by_task: dict[str, Row] = {}
    for row in rows:
        if row.task not in by_task or "table" in row.display:
            by_task[row.task] = row
    declared = {task: _declared(row) for task, row in by_task.items()}
    tables: dict[str, list[tuple[str, Mapping[str, Any]]]] = {}
    for task, table in sorted(declared.items(), key=lambda item: (item[1].get("place", LAST), item[0])):
        tables.setdefault(table["name"], []).append((task, table))
    found: dict[str, Layout] = {}
    for name, members in tables.items():
        found[name] = _layout(members)
        titled = [(task, table) for task, table in members if table.get("by_condition")]
        if titled:
            found[f"{name}_{CONDITIONS}"] = Layout(
                tuple(task for task, _ in titled), titled[0][1]["by_condition"], by_condition=True
            )
    return found


def undeclared(rows: Iterable[Row]) -> list[str]:
    """Return the tasks whose rows declare no table."""
    declared: dict[str, bool] = {}
    for row in rows:
        here = "table" in row.display or row.task in older_rows.TABLES
        declared[row.task] = declared.get(row.task, False) or here
    return sorted(task for task, known in declared.items() if not known)


def shown_as(metric: str, rows: Sequence[Row]) -> MetricInfo:
    """Return how a metric is shown: as its rows say, or else by its name."""
    mine = [row for row in rows if row.metric == metric]
    row = next((row for row in mine if "label" in row.display), None)
    display = row.display if row else older_rows.METRICS.get(metric, {})
    definition = (row or mine[0]).definition if mine else ""
    return MetricInfo(
        label=display.get("label", metric),
        unit=display.get("unit", ""),
        higher_is_better=display.get("higher_is_better"),
        decimals=display.get("decimals", 3),
        definition=definition,
        counts=counts_of(metric, mine),
    )


def counts_of(metric: str, rows: Sequence[Row]) -> tuple[str, str] | None:
    """Return the columns of counts whose ratio a metric is, where its rows name them."""
    for row in rows:
        if row.metric == metric and "counts" in row.display:
            above, below = row.display["counts"]
            return above, below
    return older_rows.COUNTS.get(metric)


def places(rows: Iterable[Row]) -> dict[str, int]:
    """Return where the columns of metrics stand, by metric."""
    known = {metric: int(shown["place"]) for metric, shown in older_rows.METRICS.items()}
    return known | {row.metric: int(row.display["place"]) for row in rows if "place" in row.display}


def _declared(row: Row) -> Mapping[str, Any]:
    if "table" in row.display:
        return dict(row.display["table"])
    if row.task in older_rows.TABLES:
        return older_rows.TABLES[row.task]
    return {"name": row.task, "title": row.task.replace("_", " ").capitalize()}


def _layout(members: Sequence[tuple[str, Mapping[str, Any]]]) -> Layout:
    """Join what the tasks of one table declare."""
    first = members[0][1]
    overviews = [table["overview"] for _, table in members if table.get("overview") is not None]
    return Layout(
        tasks=tuple(task for task, _ in members),
        title=first["title"],
        compares_ranks=any(table.get("compares_ranks", False) for _, table in members),
        axis=next((table["axis"] for _, table in members if table.get("axis")), ""),
        overview=tuple(metric for metrics in overviews for metric in metrics) if overviews else None,
        short=first.get("short") or first["title"],
    )
