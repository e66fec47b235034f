"""The report of one results folder, made from the files of its jobs: merged rows, tables, figures, page."""

import logging
from pathlib import Path
from typing import Any

import pandas as pd

from benchmark.errors import UserError
from benchmark.results.report.best_in_column import hold_contest
from benchmark.results.report.figures import (
    Drawn,
    codebook_growth,
    codebook_histogram,
    rate_quality,
    trade_off,
)
from benchmark.results.report.formats import to_csv, to_latex, to_markdown
from benchmark.results.report.grid import Grid, make_grid
from benchmark.results.report.overview_table import make_overview, overview_grid
from benchmark.results.report.page import make_page
from benchmark.results.report.tables import OVERVIEW, TABLES, Table, make_table
from benchmark.results.row import Row
from benchmark.results.store import ResultsStore
from benchmark.storage.atomic_files import write_atomic

log = logging.getLogger(__name__)


def write_report(folder: Path) -> None:
    """Write `rows.jsonl`, `tables/`, `figures/` and `report.html` of a results folder from its rows.

    Files that no row supports any more are removed. The same rows give the same bytes.

    Raises:
        UserError: there are no rows, or they differ in schema version or profile; or a table was refused
            because its numbers are not comparable. In the latter case the files of that table are removed,
            and the rest is written.
    """
    store = ResultsStore(folder)
    rows = store.merge()
    if not rows:
        raise UserError(
            f"no results in {folder}. Run `make reproduce-table`, or a job such as "
            "`python -m benchmark tokenizer=mel_rvq task=reconstruction`; then name the folder it wrote to."
        )
    tables, refused = _tables(rows)
    utterances = store.reader()
    grids = {name: make_grid(table, hold_contest(table, utterances)) for name, table in tables.items()}
    files = {name: _files(table, grids[name]) for name, table in tables.items()}
    if overview := make_overview(tables):
        tables = {OVERVIEW: overview} | tables
        grids[OVERVIEW] = overview_grid(overview, hold_contest(overview, utterances))
        files[OVERVIEW] = _files(overview, grids[OVERVIEW])
    for name in (OVERVIEW, *TABLES):
        for suffix in ("csv", "md", "tex"):
            _replace(folder / "tables" / f"{name}.{suffix}", files.get(name, {}).get(suffix))
    usage, growth = _usage(store, _usage_jobs(rows)), _growth(_usage_jobs(rows))
    reconstruction, probing = tables.get("reconstruction"), tables.get("probing")
    figures = {
        "codebook_histogram": codebook_histogram(*usage) if usage[0] else None,
        "codebook_growth": codebook_growth(growth) if growth else None,
        "rate_quality": rate_quality(reconstruction) if reconstruction else None,
        "trade_off": trade_off(reconstruction, probing) if reconstruction and probing else None,
    }
    for name, drawn in figures.items():
        for suffix in Drawn._fields:
            _replace(folder / "figures" / f"{name}.{suffix}", getattr(drawn, suffix, None))
    page = make_page(folder, rows, tables, grids, files, refused, utterances, usage, growth)
    if reconstruction and not (folder / "audio").is_dir():  # a checkout of results has no audio
        log.warning(
            "%s is missing, so report.html has no recordings; run the jobs to make them", folder / "audio"
        )
    write_atomic(folder / "report.html", page)
    if refused:
        raise UserError("\n".join(refused))


def _tables(rows: list[Row]) -> tuple[dict[str, Table], list[str]]:
    """Return the tables that rows exist for, and the reasons why others cannot be made.

    A table that cannot be made does not prevent the others.
    """
    tables, refused = {}, []
    for name in TABLES:
        try:
            table = make_table(name, rows)
        except UserError as error:
            refused.append(str(error))
        else:
            if table:
                tables[name] = table
    return tables, refused


def _files(table: Table, grid: Grid) -> dict[str, str]:
    """Return the files of a table by suffix."""
    return {"csv": to_csv(table), "md": to_markdown(grid), "tex": to_latex(grid)}


def _replace(path: Path, content: str | bytes | None) -> None:
    if content is None:
        path.unlink(missing_ok=True)
    else:
        write_atomic(path, content)


def _usage_jobs(rows: list[Row]) -> dict[str, Row]:
    """Return one row of each `codebook_usage` job, by the label that figures give it."""
    jobs = {(row.tokenizer, row.dataset): row for row in rows if row.task == "codebook_usage"}
    several = len({dataset for _, dataset in jobs}) > 1
    return {
        f"{tokenizer}, {dataset}" if several else tokenizer: row for (tokenizer, dataset), row in jobs.items()
    }


def _usage(store: ResultsStore, jobs: dict[str, Row]) -> tuple[dict[str, pd.DataFrame], dict[str, int]]:
    """Return the counts that `codebook_usage` keeps in place of utterance scores, and the codebook sizes."""
    usage: dict[str, pd.DataFrame] = {}
    sizes: dict[str, int] = {}
    for label, row in jobs.items():
        counts = store.utterances("codebook_usage", row.tokenizer, row.dataset, row.seed)
        if len(counts) and row.codebook_size:
            usage[label], sizes[label] = counts, row.codebook_size
    return usage, sizes


def _growth(jobs: dict[str, Row]) -> dict[str, Any]:
    """Return the growth curves in the notes of the rows."""
    return {label: row.notes["growth"] for label, row in jobs.items() if "growth" in row.notes}
