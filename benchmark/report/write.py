"""The report of one results folder: merged rows, tables and figures, all derived from the jobs' files."""

from functools import cache
from pathlib import Path

import pandas as pd

from benchmark.artifacts import write_atomic
from benchmark.errors import UserError
from benchmark.report.contest import Utterances, hold_contest
from benchmark.report.figures import codebook_growth, codebook_histogram, rate_quality, trade_off
from benchmark.report.formats import to_csv, to_latex, to_markdown
from benchmark.report.grid import make_grid
from benchmark.report.tables import TABLES, Table, make_table
from benchmark.results.row import Row
from benchmark.results.store import ResultsStore


def write_report(folder: Path) -> None:
    """Write `rows.jsonl`, `tables/` and `figures/` below a results folder from the rows it holds.

    What no row supports any more is removed. The same rows give the same bytes.

    Raises:
        UserError: there are no rows, or they are not of one schema version and profile.
    """
    store = ResultsStore(folder)
    rows = store.merge()
    if not rows:
        raise UserError(
            f"no results in {folder}. Run `make reproduce-table`, or a job such as "
            "`python -m benchmark tokenizer=mel_rvq task=reconstruction`; then name the folder it wrote to."
        )
    tables = {name: make_table(name, rows) for name in TABLES}
    utterances = _cached(store)
    for name, table in tables.items():
        _write_table(folder / "tables", name, table, utterances)
    figures = {
        "codebook_histogram": _histogram(store, _usage_jobs(rows)),
        "codebook_growth": _growth(_usage_jobs(rows)),
        "rate_quality": rate_quality(tables["reconstruction"]) if tables["reconstruction"] else None,
        "trade_off": (
            trade_off(tables["reconstruction"], tables["probing"])
            if tables["reconstruction"] and tables["probing"]
            else None
        ),
    }
    for name, png in figures.items():
        _replace(folder / "figures" / f"{name}.png", png)


def _cached(store: ResultsStore) -> Utterances:
    """Looks scores up, reading each job's file once; a job whose file is gone has none."""

    @cache
    def read(task: str, tokenizer: str, dataset: str, seed: int, variant: str) -> pd.DataFrame:
        try:
            return store.utterances(task, tokenizer, dataset, seed, variant)
        except FileNotFoundError:
            return pd.DataFrame()

    return lambda row: read(row.task, row.tokenizer, row.dataset, row.seed, row.variant)


def _write_table(folder: Path, name: str, table: Table | None, utterances: Utterances) -> None:
    grid = make_grid(table, hold_contest(table, utterances)) if table else None
    _replace(folder / f"{name}.csv", to_csv(table) if table else None)
    _replace(folder / f"{name}.md", to_markdown(grid) if grid else None)
    _replace(folder / f"{name}.tex", to_latex(grid) if grid else None)


def _replace(path: Path, content: str | bytes | None) -> None:
    if content is None:
        path.unlink(missing_ok=True)
    else:
        write_atomic(path, content)


def _usage_jobs(rows: list[Row]) -> dict[str, Row]:
    """One row of each `codebook_usage` job by the label that figures give it."""
    jobs = {(row.tokenizer, row.dataset): row for row in rows if row.task == "codebook_usage"}
    several = len({dataset for _, dataset in jobs}) > 1
    return {
        f"{tokenizer}, {dataset}" if several else tokenizer: row for (tokenizer, dataset), row in jobs.items()
    }


def _histogram(store: ResultsStore, jobs: dict[str, Row]) -> bytes | None:
    """The usage figure from the counts that `codebook_usage` keeps in place of utterance scores."""
    usage: dict[str, pd.DataFrame] = {}
    sizes: dict[str, int] = {}
    for label, row in jobs.items():
        counts = store.utterances("codebook_usage", row.tokenizer, row.dataset, row.seed)
        if len(counts) and row.codebook_size:
            usage[label], sizes[label] = counts, row.codebook_size
    return codebook_histogram(usage, sizes) if usage else None


def _growth(jobs: dict[str, Row]) -> bytes | None:
    """The growth figure from the notes of the rows."""
    curves = {label: row.notes["growth"] for label, row in jobs.items() if "growth" in row.notes}
    return codebook_growth(curves) if curves else None
