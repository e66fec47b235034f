"""Tables for the page: the same grids as in the files, with what a browser needs to sort and explain them."""

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from benchmark.report.grid import DASH, Entry, Grid, heading
from benchmark.report.tables import Table

NUMBER = re.compile(r"-?\d+(\.\d+)?([eE][+-]?\d+)?")
SPOKEN = {
    "NC": "did not converge",
    "failed": "failed",
    "missing": "missing, this job has not run",
    DASH: "not applicable",
}
"""What stands in place of a number, in words."""

FACTS = {
    "tokenizer": "name of the tokenizer; topline, classical and floor give the scale",
    "kind": "family of the tokenizer",
    "decoder": "what turned codes into speech",
    "corpus": "dataset and split",
    "Hz": "frames per second",
    "books": "number of codebooks",
    "entries": "size of the largest codebook",
    "kbps": "nominal bitrate",
    "n": "utterances scored, fewest–most over the metrics",
    "failed": "utterances without a score, most over the metrics",
}
"""Meaning of the columns that are no metrics."""


@dataclass(frozen=True)
class Column:
    """One column; `better` is 1 where higher is better, -1 where lower is, 0 where neither is."""

    text: str
    anchor: str
    definition: str
    is_number: bool
    better: int


@dataclass(frozen=True)
class Shown:
    """One cell: what the grid prints, the key that it sorts by, and the words for a screen reader."""

    entry: Entry
    is_number: bool
    key: str
    spoken: str
    why: str


@dataclass(frozen=True)
class View:
    """A table of the page; `downloads` are its files as data URIs by suffix."""

    name: str
    title: str
    columns: list[Column]
    lines: list[list[Shown]]
    notes: list[str]
    footnotes: list[str]
    downloads: dict[str, str] = field(default_factory=dict)


def view(table: Table, grid: Grid, files: Mapping[str, str]) -> View:
    """A table for the page.

    Args:
        table: Where the columns' definitions come from.
        grid: Every printed text.
        files: Content of the table's files by suffix, such as "csv".
    """
    metrics = {heading(definition): (name, definition) for name, definition in table.metrics.items()}
    columns = []
    for text, is_number in zip(grid.header, grid.is_number, strict=True):
        metric, definition = metrics.get(text, ("", None))
        better = {True: 1, False: -1, None: 0}[definition.higher_is_better if definition else None]
        meaning = definition.definition if definition else FACTS.get(text, "")
        anchor = anchor_of(table.name, metric) if definition else ""
        columns.append(Column(text, anchor, meaning, is_number, better))
    lines = [
        [_shown(entry, column.is_number, grid.footnotes) for entry, column in zip(row, columns, strict=True)]
        for row in grid.body
    ]
    downloads = {suffix: data_uri("text/plain;charset=utf-8", text) for suffix, text in files.items()}
    return View(table.name, grid.title, columns, lines, grid.notes, grid.footnotes, downloads)


def anchor_of(table: str, metric: str) -> str:
    """Name of a metric's definition on the page: letters, digits and dashes alone."""
    text = f"{table}.{metric}"
    return "def-" + "".join(c if c.isascii() and c.isalnum() else f"-{ord(c):x}-" for c in text)


def data_uri(kind: str, content: str | bytes) -> str:
    """The content as an address that needs no network."""
    octets = content.encode() if isinstance(content, str) else content
    return f"data:{kind};base64,{base64.b64encode(octets).decode()}"


def _shown(entry: Entry, is_number: bool, footnotes: list[str]) -> Shown:
    why = footnotes[entry.mark - 1] if entry.mark is not None else ""
    if not is_number:
        return Shown(entry, False, entry.value, "", why)
    found = NUMBER.search(entry.value) or NUMBER.search(entry.rest)
    return Shown(entry, True, found.group() if found else "", SPOKEN.get(entry.value, ""), why)
