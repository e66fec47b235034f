"""Content of one report: the rows with everything that is made of them before files and page are written."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from benchmark.results.published.reproduction import Reproduction
from benchmark.results.report.best_in_column import hold_contest
from benchmark.results.report.figures import counts_codes
from benchmark.results.report.formats import to_csv, to_latex, to_markdown
from benchmark.results.report.grid import make_grid
from benchmark.results.report.overview_table import make_overview, overview_grid
from benchmark.results.report.paired_scores import Utterances
from benchmark.results.report.printed import Grid
from benchmark.results.report.reproduction_table import reproduction_csv, reproduction_grid
from benchmark.results.report.survivors import survivor_notes
from benchmark.results.report.tables import OVERVIEW, Table, make_tables
from benchmark.results.row import Row
from benchmark.results.store import job_name

REPRODUCTION = "reproduction"
"""Name of the published numbers beside ours, among grids and files."""


@dataclass(frozen=True)
class CodeFacts:
    """Use of codes by tokenizers, each under its label in figures.

    Attributes:
        counts: Counts of codes, as the columns codebook, code and count.
        sizes: Codebook sizes of the same labels.
        growth: Codes used, and their perplexity, by hours of speech.
        rates: Rates of tokens in Hz by vocabulary, of the first seed.
    """

    counts: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    sizes: Mapping[str, int] = field(default_factory=dict)
    growth: Mapping[str, Any] = field(default_factory=dict)
    rates: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, rows: Sequence[Row], utterances: Utterances) -> "CodeFacts":
        """Collect the facts from rows, their notes and their tables of counts."""
        by_job = {job_name(row): row for row in rows}
        counting = [row for row in by_job.values() if counts_codes(utterances(row))]
        jobs = _labelled({(row.tokenizer, row.dataset): row for row in counting})
        counts: dict[str, pd.DataFrame] = {}
        sizes: dict[str, int] = {}
        for label, row in jobs.items():
            if row.codebook_size and len(found := utterances(row)):
                counts[label], sizes[label] = found, row.codebook_size
        reduced: dict[tuple[str, str], Row] = {}
        for row in sorted(rows, key=lambda row: (row.label, row.dataset, row.seed)):
            if "rates_by_vocabulary" in row.notes:
                reduced.setdefault((row.label, row.dataset), row)
        return cls(
            counts=counts,
            sizes=sizes,
            growth={label: row.notes["growth"] for label, row in jobs.items() if "growth" in row.notes},
            rates={label: row.notes["rates_by_vocabulary"] for label, row in _labelled(reduced).items()},
        )


def _labelled(rows: Mapping[tuple[str, str], Row]) -> dict[str, Row]:
    """Name rows by their tokenizer alone, or by tokenizer and dataset if there are several datasets."""
    several = len({dataset for _, dataset in rows}) > 1
    return {f"{name}, {dataset}" if several else name: row for (name, dataset), row in rows.items()}


@dataclass(frozen=True)
class Content:
    """Everything that a report shows.

    Attributes:
        rows: All rows.
        utterances: Looks up scores by utterance.
        tables: Tables by name, the overview first, without empty ones.
        grids: The same tables as printed, and under `REPRODUCTION` the published numbers beside ours, if any.
        files: The same as files, by name and suffix.
        refused: Reasons why other tables could not be made.
        codes: Use of codes by tokenizers.
    """

    rows: Sequence[Row]
    utterances: Utterances
    tables: Mapping[str, Table]
    grids: Mapping[str, Grid]
    files: Mapping[str, Mapping[str, str]]
    refused: Sequence[str] = ()
    codes: CodeFacts = field(default_factory=CodeFacts)

    def on_axis(self, axis: str) -> Table | None:
        """Return the first table whose numbers stand on an axis, "speech" or "content"; None without any."""
        return next((table for table in self.tables.values() if table.layout.axis == axis), None)


def make_content(
    rows: Sequence[Row], utterances: Utterances, reproduction: Reproduction | None = None
) -> Content:
    """Make every table of a report in every format.

    Args:
        rows: All rows, at least one.
        utterances: Looks up scores by utterance.
        reproduction: Published numbers beside ours; None for a report without them.
    """
    tables, refused = make_tables(rows)
    grids = {
        name: make_grid(table, hold_contest(table, utterances), survivor_notes(table, utterances))
        for name, table in tables.items()
    }
    if overview := make_overview(tables):
        grids[OVERVIEW] = overview_grid(overview, hold_contest(overview, utterances))
        tables = {OVERVIEW: overview} | tables
    csv = {name: to_csv(table) for name, table in tables.items()}
    if reproduction:
        grids[REPRODUCTION] = reproduction_grid(reproduction)
        csv[REPRODUCTION] = reproduction_csv(reproduction)
    files = {
        name: {"csv": csv[name], "md": to_markdown(grid), "tex": to_latex(grid)}
        for name, grid in grids.items()
    }
    return Content(rows, utterances, tables, grids, files, refused, CodeFacts.of(rows, utterances))
