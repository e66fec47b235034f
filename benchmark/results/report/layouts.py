"""Layouts of the report's tables, from the table declarations that rows carry."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import inf
from typing import Any

from benchmark.metrics.reported import MetricInfo
from benchmark.results import older_rows
from benchmark.results.row import Row

CONDITIONS = "conditions"
"""Suffix of the name of a table that shows the same metrics by condition."""
LAST = 100
"""Position of a table that declares none."""


@dataclass(frozen=True)
class Layout:
    """Layout of a table, which shows metrics of its tasks over all utterances or by condition.

    Attributes:
        tasks: Tasks in the order of their columns.
        title: Heading of the table.
        by_condition: Whether every column is a metric over the utterances of one condition.
        compares_ranks: Whether the columns measure one quantity in several ways, so that the report compares
            their rankings.
        axis: Role of the table in the figure of speech against content: "speech", "content" or empty.
        overview: Metrics that the overview shows; empty for all metrics, None for none.
        short: Heading of the table's columns in the overview.
    """

    tasks: tuple[str, ...]
    title: str
    by_condition: bool = False
    compares_ranks: bool = False
    axis: str = ""
    overview: tuple[str, ...] | None = None
    short: str = ""

    def shows(self, row: Row) -> bool:
        """Tell whether the table shows the row; metrics by condition are named "metric/condition"."""
        return row.task in self.tasks and ("/" in row.metric) is self.by_condition


def layouts(rows: Iterable[Row]) -> dict[str, Layout]:
    """Return the layouts of all tables of the rows by name, in order of their places.

    Title and place come from the declarations alone, so that they are the same for any subset of the rows.
    A task whose rows declare no table has a table of its own.
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
    """Return label, unit and definition of a metric as its rows give them; without a label, use the name."""
    mine = [row for row in rows if row.metric == metric]
    row = next((row for row in mine if "label" in row.display), None)
    display = row.display if row else older_rows.METRICS.get(metric, {})
    definition = (row or mine[0]).definition if mine else ""
    least, most = _ends(metric, display)
    return MetricInfo(
        label=display.get("label", metric),
        unit=display.get("unit", ""),
        higher_is_better=display.get("higher_is_better"),
        decimals=display.get("decimals", 3),
        definition=definition,
        counts=counts_of(metric, mine),
        least=least,
        most=most,
        order_free=display.get("order_free", False),
        note_of=display.get("note_of", ""),
    )


def _ends(metric: str, display: Mapping[str, Any]) -> tuple[float, float]:
    """Return the smallest and largest value of a metric, for older rows by its name or its unit."""
    if "least" in display:
        least, most = display["least"], display["most"]
        return -inf if least is None else least, inf if most is None else most
    by_unit = (0.0, inf) if display.get("unit") == "%" else (-inf, inf)
    return older_rows.ENDS.get(metric.partition("/")[0], by_unit)


def counts_of(metric: str, rows: Sequence[Row]) -> tuple[str, str] | None:
    """Return the columns of numerator and denominator of a metric; None where its rows name none."""
    for row in rows:
        if row.metric == metric and "counts" in row.display:
            above, below = row.display["counts"]
            return above, below
    return older_rows.COUNTS.get(metric)


def places(rows: Iterable[Row]) -> dict[str, int]:
    """Return the positions of columns, by metric."""
    known = {metric: int(shown["place"]) for metric, shown in older_rows.METRICS.items()}
    return known | {row.metric: int(row.display["place"]) for row in rows if "place" in row.display}


def _declared(row: Row) -> Mapping[str, Any]:
    if "table" in row.display:
        return dict(row.display["table"])
    if row.task in older_rows.TABLES:
        return older_rows.TABLES[row.task]
    return {"name": row.task, "title": row.task.replace("_", " ").capitalize()}


def _layout(members: Sequence[tuple[str, Mapping[str, Any]]]) -> Layout:
    """Join the declarations of the tasks of one table."""
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
