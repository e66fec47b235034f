"""Tables for the page: the grids of the files, with the data a browser needs to sort and explain them."""

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from markupsafe import Markup

from benchmark.results.report.printed import DASH, Entry, Grid, heading
from benchmark.results.report.tables import OVERVIEW, Table

NUMBER = re.compile(r"-?\d+(\.\d+)?([eE][+-]?\d+)?")
SPOKEN = {
    "NC": "did not converge",
    "failed": "failed",
    "missing": "missing, this job has not run",
    DASH: "not applicable",
}
"""Spoken form of the words that stand in place of a number."""

FACTS = {
    "tokenizer": "name of the tokenizer; topline, classical and floor give the scale",
    "kind": "family of the tokenizer",
    "family": "family of the tokenizer",
    "decoder": "what turned codes into speech",
    "corpus": "dataset and split",
    "Hz": "frames per second",
    "books": "number of codebooks",
    "entries": "size of the largest codebook",
    "kbps": "nominal bitrate",
    "n": "utterances scored, fewest–most over the metrics",
    "failed": "utterances without a score, most over the metrics",
    "seeds": "trainings behind a number, one per seed",
}
"""Meaning of the columns that are not metrics."""
ASIDE = FACTS.keys() - {"tokenizer", "corpus", "kbps"} | {"family"}


@dataclass(frozen=True)
class Column:
    """One column of a table on the page.

    Attributes:
        text: Heading of the column.
        group: Heading above `text`, if there is one.
        anchor: Link to the definition on the page; empty for a column that is not a metric.
        definition: Meaning of the column.
        is_number: Whether the column is sorted by size.
        better: 1 if higher is better, -1 if lower is better, 0 if neither.
        aside: Whether a narrow screen may hide the column.
    """

    text: str
    group: str
    anchor: str
    definition: str
    is_number: bool
    better: int
    aside: bool


@dataclass(frozen=True)
class Shown:
    """One cell: the text that the grid prints, its sorting key, and words for a screen reader."""

    entry: Entry
    is_number: bool
    key: str
    spoken: str
    why: str


@dataclass(frozen=True)
class View:
    """A table of the page, with its files as `downloads`."""

    name: str
    title: str
    groups: list[tuple[str, int]]
    columns: list[Column]
    lines: list[list[Shown]]
    notes: list[str]
    footnotes: list[str]
    downloads: dict[str, Markup] = field(default_factory=dict)


def view(table: Table, grid: Grid, files: Mapping[str, str]) -> View:
    """Convert a table for the page.

    Args:
        table: Source of the definitions of the columns.
        grid: Source of every printed text.
        files: Contents of the table's files by suffix, such as "csv".
    """
    groups = [(label, width) for label, width in grid.groups]
    above = [label for label, width in groups for _ in range(width)] or [""] * len(grid.header)
    columns = []
    metrics = list(table.metrics)
    for text, group, is_number in zip(grid.header, above, grid.is_number, strict=True):
        if metrics and text == heading(table.metrics[metrics[0]]):
            columns.append(_metric(table, metrics.pop(0), group))
        else:
            columns.append(Column(text, group, "", FACTS.get(text, ""), is_number, 0, text in ASIDE))
    lines = [
        [_shown(entry, c.is_number, grid.footnotes) for entry, c in zip(row, columns, strict=True)]
        for row in grid.body
    ]
    name = grid.header.index("tokenizer")
    for row in (columns, *lines):
        row.insert(0, row.pop(name))  # type: ignore[attr-defined]  # kept in sight
    facts = table.name, grid.title, groups, columns, lines, grid.notes, grid.footnotes
    return View(*facts, downloads=downloads(files))


def downloads(files: Mapping[str, str]) -> dict[str, Markup]:
    """Return the contents of files as links that need no network, by suffix."""
    return {suffix: Markup(data_uri("text/plain;charset=utf-8", text)) for suffix, text in files.items()}


def _metric(table: Table, metric: str, group: str) -> Column:
    definition = table.metrics[metric]
    better = {True: 1, False: -1, None: 0}[definition.higher_is_better]
    home, name = table.name, metric
    if home == OVERVIEW:  # columns that are those of another table, which comes first in their names
        home, _, name = metric.rpartition(".")
    anchor = anchor_of(home.partition("@")[0], name)
    return Column(heading(definition), group, anchor, definition.definition, True, better, False)


def anchor_of(table: str, metric: str) -> str:
    """Return the name of a metric's definition on the page, made of letters, digits and dashes alone."""
    text = f"{table}.{metric}"
    return "def-" + "".join(c if c.isascii() and c.isalnum() else f"-{ord(c):x}-" for c in text)


def data_uri(kind: str, content: str | bytes) -> str:
    """Return the content as a data URI, which needs no network."""
    octets = content.encode() if isinstance(content, str) else content
    return f"data:{kind};base64,{base64.b64encode(octets).decode()}"


def _shown(entry: Entry, is_number: bool, footnotes: list[str]) -> Shown:
    why = footnotes[entry.mark - 1] if entry.mark is not None else ""
    if not is_number:
        return Shown(entry, False, entry.value, "", why)
    found = NUMBER.search(entry.value) or NUMBER.search(entry.rest)
    return Shown(entry, True, found.group() if found else "", SPOKEN.get(entry.value, ""), why)
