"""Report of one results folder, made from the files of its jobs: merged rows, tables, figures, page."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from benchmark.errors import UserError
from benchmark.results.provenance import doubt
from benchmark.results.published.conditions import Evidence
from benchmark.results.published.numbers import FILE
from benchmark.results.published.reproduction import reproduce
from benchmark.results.report.best_in_column import hold_contest
from benchmark.results.report.figures import (
    Drawn,
    codebook_growth,
    codebook_histogram,
    counts_codes,
    rate_quality,
    rate_vocabulary,
    trade_off,
)
from benchmark.results.report.formats import to_csv, to_latex, to_markdown
from benchmark.results.report.grid import make_grid
from benchmark.results.report.layouts import undeclared
from benchmark.results.report.overview_table import make_overview, overview_grid
from benchmark.results.report.page import make_page
from benchmark.results.report.paired_scores import Utterances
from benchmark.results.report.printed import Grid
from benchmark.results.report.reproduction_table import reproduction_csv, reproduction_grid
from benchmark.results.report.survivors import survivor_notes
from benchmark.results.report.tables import OVERVIEW, Table, make_tables
from benchmark.results.row import Row
from benchmark.results.store import ResultsStore, job_name
from benchmark.storage.atomic_files import write_atomic

log = logging.getLogger(__name__)

SUFFIXES = (".csv", ".md", ".tex")


REPRODUCTION = "reproduction"
"""Name of the files that show published numbers beside ours."""


def write_report(folder: Path, sources: Sequence[str] | None = None, numbers: Path = FILE) -> list[str]:
    """Write `rows.jsonl`, `tables/`, `figures/` and `report.html` below a results folder from its rows.

    Files of earlier reports that the rows no longer support are removed. The same rows give the same bytes.

    Args:
        folder: Results of one profile.
        sources: Sources of published numbers to show beside ours; None for those that show themselves, see
            `reproduce`.
        numbers: File of published numbers.

    Returns:
        Names of the tables, the overview first.

    Raises:
        UserError: There are no rows, the rows differ in schema version or profile, or a source is unknown.
            Also raised if a table was refused because its numbers are not comparable; the files of that table
            are then removed, and the rest of the report is written.
    """
    store = ResultsStore(folder)
    rows = store.merge()
    if not rows:
        raise UserError(
            f"no results in {folder}. Run `make reproduce-table`, or a job such as "
            "`python -m benchmark tokenizer=mel_rvq task=reconstruction`; then name the folder it wrote to."
        )
    if why := doubt(row.git_commit for row in rows):
        log.warning("the report of %s is %s", folder, why)
    for task in undeclared(rows):
        log.warning("the task %s declares no table (Task.table): its rows get a table of their own", task)
    tables, refused = make_tables(rows)
    utterances = store.reader()
    grids = {
        name: make_grid(table, hold_contest(table, utterances), survivor_notes(table, utterances))
        for name, table in tables.items()
    }
    files = {name: _files(table, grids[name]) for name, table in tables.items()}
    if overview := make_overview(tables):
        grids[OVERVIEW] = overview_grid(overview, hold_contest(overview, utterances))
        tables = {OVERVIEW: overview} | tables
        files[OVERVIEW] = _files(overview, grids[OVERVIEW])
    found = reproduce(rows, Evidence.of_folder(folder, utterances), sources, numbers)
    beside = reproduction_grid(found) if found else None
    if found and beside:
        csv = reproduction_csv(found)
        files[REPRODUCTION] = {"csv": csv, "md": to_markdown(beside), "tex": to_latex(beside)}
    _replace_tables(folder / "tables", files)
    counting = _usage_jobs(rows, utterances)
    usage, growth = _usage(counting, utterances), _growth(counting)
    reductions = _reductions(rows)
    speech, content = (
        next((table for table in tables.values() if table.layout.axis == axis), None)
        for axis in ("speech", "content")
    )
    figures = {
        "codebook_histogram": codebook_histogram(*usage) if usage[0] else None,
        "codebook_growth": codebook_growth(growth) if growth else None,
        "rate_vocabulary": rate_vocabulary(reductions) if reductions else None,
        "rate_quality": rate_quality(speech) if speech else None,
        "trade_off": trade_off(speech, content) if speech and content else None,
    }
    for name, drawn in figures.items():
        for suffix in Drawn._fields:
            _replace(folder / "figures" / f"{name}.{suffix}", getattr(drawn, suffix, None))
    page = make_page(
        folder, rows, tables, grids, files, refused, utterances, usage, growth, reductions, beside
    )
    if speech and not (folder / "audio").is_dir():  # a checkout of the results, which holds no audio
        log.warning(
            "%s is missing, so report.html has no recordings; run the jobs to make them", folder / "audio"
        )
    write_atomic(folder / "report.html", page)
    if refused:
        raise UserError("\n".join(refused))
    return list(tables)


def _files(table: Table, grid: Grid) -> dict[str, str]:
    """Return the files of a table by suffix."""
    return {"csv": to_csv(table), "md": to_markdown(grid), "tex": to_latex(grid)}


def _replace(path: Path, content: str | bytes | None) -> None:
    if content is None:
        path.unlink(missing_ok=True)
    else:
        write_atomic(path, content)


def _replace_tables(folder: Path, files: Mapping[str, Mapping[str, str]]) -> None:
    """Write the files of tables, and remove the files of tables that no longer have rows."""
    wanted = {f"{name}.{suffix}": text for name, made in files.items() for suffix, text in made.items()}
    for path in folder.glob("*"):
        if path.suffix in SUFFIXES and path.name not in wanted:
            path.unlink()
    for name, text in wanted.items():
        write_atomic(folder / name, text)


def _usage_jobs(rows: list[Row], utterances: Utterances) -> dict[str, Row]:
    """Return one row of each job that counted codes instead of scoring utterances, by label in figures."""
    by_job = {job_name(row): row for row in rows}
    jobs = {(row.tokenizer, row.dataset): row for row in by_job.values() if counts_codes(utterances(row))}
    several = len({dataset for _, dataset in jobs}) > 1
    return {
        f"{tokenizer}, {dataset}" if several else tokenizer: row for (tokenizer, dataset), row in jobs.items()
    }


def _usage(jobs: dict[str, Row], utterances: Utterances) -> tuple[dict[str, pd.DataFrame], dict[str, int]]:
    """Return the counts of codes, and the codebook sizes, by label."""
    usage: dict[str, pd.DataFrame] = {}
    sizes: dict[str, int] = {}
    for label, row in jobs.items():
        counts = utterances(row)
        if len(counts) and row.codebook_size:
            usage[label], sizes[label] = counts, row.codebook_size
    return usage, sizes


def _reductions(rows: list[Row]) -> dict[str, Any]:
    """Return the rates of tokens by vocabulary from the notes of the rows, by label; of the first seed."""
    jobs: dict[tuple[str, str], Row] = {}
    for row in sorted(rows, key=lambda row: row.seed):
        if "rates_by_vocabulary" in row.notes:
            jobs.setdefault((row.label, row.dataset), row)
    several = len({dataset for _, dataset in jobs}) > 1
    return {
        f"{label}, {dataset}" if several else label: row.notes["rates_by_vocabulary"]
        for (label, dataset), row in sorted(jobs.items())
    }


def _growth(jobs: dict[str, Row]) -> dict[str, Any]:
    """Return the growth curves of codebook usage from the notes of the rows, by label."""
    return {label: row.notes["growth"] for label, row in jobs.items() if "growth" in row.notes}
