"""Conversion of long rows to wide tables: lines, columns and cells, before any formatting."""

from collections.abc import Sequence
from dataclasses import dataclass

from benchmark.errors import UserError
from benchmark.metrics.reported import MetricInfo
from benchmark.results.report.cells import Cell, Line, combine
from benchmark.results.report.layouts import Layout, layouts, places, shown_as
from benchmark.results.report.side_information import remark, sent_bitrate
from benchmark.results.row import Row
from benchmark.types import Kind

OVERVIEW = "overview"
"""Name of the table that joins several others, see `overview_table`."""

LAST_COLUMN = 10_000
"""Position of the column of a metric whose rows state no position."""
KIND_ORDER: tuple[Kind, ...] = (
    "topline",
    "acoustic",
    "acoustic-disentangled",
    "acoustic-semantic",
    "semantic-ssl",
    "semantic-supervised",
    "classical",
    "floor",
)
ANCHORS: frozenset[Kind] = frozenset(("topline", "classical", "floor"))
"""Kinds of tokenizers that give the scale of a table and do not compete for the best number."""


@dataclass(frozen=True)
class Table:
    """A wide table: `metrics` in column order, and in `rows` the long rows that the cells come from."""

    name: str
    profile: str
    metrics: dict[str, MetricInfo]
    lines: list[Line]
    rows: list[Row]
    layout: Layout


def make_tables(rows: Sequence[Row]) -> tuple[dict[str, Table], list[str]]:
    """Lay out every table that the rows declare, in order.

    Returns:
        The tables by name, and one error message for each table that cannot be made; the other tables are
        made all the same.
    """
    tables, refused = {}, []
    for name, layout in layouts(rows).items():
        try:
            table = make_table(name, rows, layout)
        except UserError as error:
            refused.append(str(error))
        else:
            if table:
                tables[name] = table
    return tables, refused


def make_table(name: str, rows: Sequence[Row], layout: Layout | None = None) -> Table | None:
    """Lay out one table; return None when none of its tasks has run.

    If each task was run on a single corpus, all tasks share one line per tokenizer; otherwise every corpus
    has lines of its own. A tokenizer is expected on those corpora of the table that it was run on in any
    task, or on all of them if it was run on none. A number that is expected and absent is "missing". A
    variant of a tokenizer has lines of its own, only on the corpora that it was run on. A floor stands only
    in tables of tasks that it was run in.

    Args:
        name: Name of the table.
        rows: All rows of one profile, which also determine the tokenizers to expect.
        layout: Layout of the table; None for the layout that the rows declare.

    Raises: UserError where the numbers of one column were measured in different ways.
    """
    layout = layout or layouts(rows).get(name)
    shown = [row for row in rows if layout and layout.shows(row)]
    if layout is None or not shown:
        return None
    _refuse_mixtures(name, shown)
    columns = _columns(shown, layout.tasks)
    corpora = sorted({_corpus(row) for row in shown})
    merged = all(len({_corpus(row) for row in shown if row.task == task}) <= 1 for task in layout.tasks)
    groups = [frozenset(corpora)] if merged else [frozenset((corpus,)) for corpus in corpora]
    lines = []
    for group in groups:
        for label in sorted({row.label for row in rows}):
            known = [row for row in rows if row.label == label]
            optional = bool(known[0].variant) or known[0].kind == "floor"
            counting = [row for row in shown if row.label == label] if optional else known
            ran_on = {_corpus(row) for row in counting}
            if ran_on & group or not (optional or ran_on & set(corpora)):
                lines.append(_line(known, [row for row in shown if _corpus(row) in group], columns))
    lines.sort(key=line_order)
    metrics = {metric: shown_as(metric, shown) for metric in columns}
    return Table(name, shown[0].profile, metrics, lines, shown, layout)


def _refuse_mixtures(name: str, shown: Sequence[Row]) -> None:
    """Raise UserError where a table mixes profiles, or a column mixes versions of its metric."""
    profiles = sorted({row.profile for row in shown})
    if len(profiles) > 1:
        raise UserError(f"table {name}: it would mix the profiles {', '.join(profiles)}; give each its own")
    ways: dict[tuple[str, str, str], dict[str, list[Row]]] = {}
    for row in shown:
        if row.value is not None:
            column = row.metric, row.dataset, row.split
            ways.setdefault(column, {}).setdefault(row.metric_key, []).append(row)
    for (metric, dataset, split), versions in ways.items():
        if len(versions) < 2:
            continue
        told = "; ".join(
            f"{', '.join(sorted({row.label for row in rows}))}: {rows[0].definition.rstrip('.')}"
            + (f" (version {key})" if key else " (by code that recorded no version)")
            for key, rows in sorted(versions.items())
        )
        raise UserError(
            f"table {name}: {metric} on {dataset}/{split} was not taken in one way, so that its numbers "
            f"cannot share a column. {told}. Run these jobs again with one definition: "
            "policy=only_missing does nothing else."
        )


def _corpus(row: Row) -> tuple[str, str]:
    return row.dataset, row.split


def _columns(shown: list[Row], tasks: tuple[str, ...]) -> dict[str, str]:
    """Return the task of each metric, ordered by task, then by the place in the rows, then by name.

    A metric that qualifies the number of another column has no column, see `MetricInfo.note_of`.
    """
    columns: dict[str, str] = {}
    present = {row.metric for row in shown}
    shown = [row for row in shown if row.display.get("note_of") not in present]
    rank = places(shown)
    for task in tasks:
        found = {row.metric for row in shown if row.task == task}
        if found & columns.keys():
            raise ValueError(f"two tasks of one table report {sorted(found & columns.keys())}: rename one")
        ordered = sorted(found, key=lambda metric: (rank.get(metric, LAST_COLUMN), metric))
        columns.update(dict.fromkeys(ordered, task))
    return columns


def _line(known: list[Row], group: list[Row], columns: dict[str, str]) -> Line:
    """Make the line of a tokenizer.

    Args:
        known: All rows of the tokenizer, or of one variant, from any table; they give the tokenizer's facts.
        group: Rows of all tokenizers on the corpora of this line.
        columns: Task by metric.
    """
    label = known[0].label
    mine = [row for row in group if row.label == label]
    facts = (mine or known)[0]
    decoders = {row.decoder for row in mine}
    return Line(
        tokenizer=label,
        kind=facts.kind,
        decoder="+".join(sorted(decoders - {"none"} or decoders)),
        frame_rate=facts.frame_rate,
        num_codebooks=facts.num_codebooks,
        codebook_size=facts.codebook_size,
        bitrate=None if facts.bitrate is None else facts.bitrate + sent_bitrate(mine),
        dataset="+".join(sorted({row.dataset for row in group})),
        split="+".join(sorted({row.split for row in group})),
        cells={metric: _cell(metric, task, mine, group) for metric, task in columns.items()},
        base=facts.base,
        bitrate_remark=remark(mine or known),
    )


def _cell(metric: str, task: str, mine: list[Row], group: list[Row]) -> Cell:
    here = [row for row in mine if row.metric == metric]
    if here:
        return combine(here)
    if any(row.task == task for row in mine):
        return Cell("n/a", reason=f"{task} gave no such number")
    if any(row.kind == "floor" for row in mine):
        return Cell("n/a", reason="a floor of other tasks alone")
    if any(row.task == task for row in group):
        return Cell("missing")
    return Cell("n/a", reason=f"{task} was not run on this corpus")


def line_order(line: Line) -> tuple[str, str, int, float, str]:
    """Return the sort key of a line: corpus, kind, bitrate in descending order, name."""
    place = KIND_ORDER.index(line.kind)
    return *line.corpus, place, -(line.bitrate or 0.0), line.tokenizer
