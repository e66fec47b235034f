"""The survey's layout: one wide table of token family, model and rate, with all tasks side by side.

It shows the columns that the survey of discrete speech tokens compares (Guo et al. 2025, Recent Advances in
Discrete Speech Tokens: A Review); every other metric is in the tables of the single tasks. Each task
declares its columns.
"""

from collections.abc import Mapping
from dataclasses import replace

from benchmark.results.report.best_in_column import Contest
from benchmark.results.report.cells import Cell, Line
from benchmark.results.report.grid import bitrate_entry, number_entries, role, seeds_entry
from benchmark.results.report.layouts import Layout, layouts
from benchmark.results.report.notes import counts_note, several_seeds, table_notes
from benchmark.results.report.printed import DASH, SEEDS, Entry, Grid, heading
from benchmark.results.report.tables import OVERVIEW, Table, line_order
from benchmark.results.row import Row

SEPARATOR = "."
"""Separator of group and metric in the name of a column, since two groups may share the name of a metric."""


def make_overview(tables: Mapping[str, Table]) -> Table | None:
    """Join the tables that declare columns for it, a line per tokenizer; None for fewer than two of them.

    A table with several corpora gives one group of columns per corpus, so that no line mixes corpora.
    """
    columns: dict[str, tuple[str, str, list[Line]]] = {}
    for name, table in tables.items():
        if table.layout.overview is None:
            continue
        corpora = sorted({line.corpus for line in table.lines})
        shown = [metric for metric in table.layout.overview if metric in table.metrics] or list(table.metrics)
        for corpus in corpora:
            group = name + (f"@{'/'.join(corpus)}" if len(corpora) > 1 else "")
            lines = [line for line in table.lines if line.corpus == corpus]
            for metric in shown:
                columns[f"{group}{SEPARATOR}{metric}"] = name, metric, lines
    used = {name for name, _, _ in columns.values()}
    if len(used) < 2:
        return None
    everywhere: dict[str, Line] = {}
    for first in (x for name, table in tables.items() if name in used for x in table.lines):
        everywhere.setdefault(first.tokenizer, first)
    dataset, split = (
        "+".join(sorted({part for name in used for line in tables[name].lines for part in pick(line)}))
        for pick in (lambda line: line.dataset.split("+"), lambda line: line.split.split("+"))
    )
    joined = []
    for label, facts in everywhere.items():
        mine = {id(lines): {x.tokenizer: x for x in lines}.get(label) for _, _, lines in columns.values()}
        cells = {}
        for column, (name, metric, lines) in columns.items():
            line = mine[id(lines)]
            cells[column] = line.cells[metric] if line else Cell("n/a", reason=f"no line in the table {name}")
        decoders = sorted({part for x in mine.values() if x for part in x.decoder.split("+")} - {"none", ""})
        line = replace(facts, dataset=dataset, split=split, cells=cells, decoder="+".join(decoders) or "none")
        joined.append(line)
    shown_rows = _rows(joined)
    return Table(
        name=OVERVIEW,
        profile=next(iter(tables.values())).profile,
        metrics={column: tables[name].metrics[metric] for column, (name, metric, _) in columns.items()},
        lines=sorted(joined, key=line_order),
        rows=shown_rows,
        layout=Layout(tuple(dict.fromkeys(row.task for row in shown_rows)), "Overview"),
    )


def overview_grid(table: Table, contest: Contest) -> Grid:
    """Print an overview: family, tokenizer, Hz and kbit/s, then the groups, each under its heading."""
    joined = layouts(table.rows)
    has_seeds = several_seeds(table)
    footnotes: dict[str, int] = {}
    body = []
    for place, line in enumerate(table.lines):
        rate = DASH if line.frame_rate is None else f"{line.frame_rate:.6g}"
        entries = [*map(Entry, (role(line, table.metrics), line.tokenizer, rate))]
        entries += [bitrate_entry(line, footnotes), *[seeds_entry(line)] * has_seeds]
        entries += number_entries(table, place, contest, footnotes)
        body.append(entries)
    groups: dict[str, list[str]] = {}
    for column in table.metrics:
        name, _, corpus = column.rpartition(SEPARATOR)[0].partition("@")
        label = joined[name].short + (f", {corpus}" if corpus else "")
        groups.setdefault(label, []).append(column)
    headings = [heading(definition) for definition in table.metrics.values()]
    cells = {label: [x.cells[c] for x in table.lines for c in group] for label, group in groups.items()}
    profile, reading, *notes = table_notes(table, contest)
    return Grid(
        title=f"Overview, profile {table.profile}",
        num_names=2,
        header=["family", "tokenizer", "Hz", "kbps", *[SEEDS] * has_seeds, *headings],
        body=body,
        notes=[profile, reading, counts_note(cells), *notes],
        footnotes=list(footnotes),
        groups=[("", 4 + has_seeds), *((label, len(group)) for label, group in groups.items())],
    )


def _rows(lines: list[Line]) -> list[Row]:
    return [row for line in lines for cell in line.cells.values() for row in cell.rows]
