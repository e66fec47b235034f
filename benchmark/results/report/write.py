"""Report of one results folder, made from the files of its jobs: merged rows, tables, figures, page."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmark.errors import UserError
from benchmark.results.provenance import doubt
from benchmark.results.published.conditions import Evidence
from benchmark.results.published.numbers import FILE
from benchmark.results.published.reproduction import reproduce
from benchmark.results.report.content import Content, make_content
from benchmark.results.report.figures import (
    Drawn,
    codebook_growth,
    codebook_histogram,
    rate_quality,
    rate_vocabulary,
    trade_off,
)
from benchmark.results.report.layouts import undeclared
from benchmark.results.report.page import make_page
from benchmark.results.store import ResultsStore
from benchmark.storage.atomic_files import write_atomic

log = logging.getLogger(__name__)

SUFFIXES = (".csv", ".md", ".tex")


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
    utterances = store.reader()
    found = reproduce(rows, Evidence.of_folder(folder, utterances), sources, numbers)
    content = make_content(rows, utterances, found)
    _replace_tables(folder / "tables", content.files)
    for name, drawn in _figures(content).items():
        for suffix in Drawn._fields:
            _replace(folder / "figures" / f"{name}.{suffix}", getattr(drawn, suffix, None))
    page = make_page(folder, content)
    if content.on_axis("speech") and not (folder / "audio").is_dir():  # a checkout, which holds no audio
        log.warning(
            "%s is missing, so report.html has no recordings; run the jobs to make them", folder / "audio"
        )
    write_atomic(folder / "report.html", page)
    if content.refused:
        raise UserError("\n".join(content.refused))
    return list(content.tables)


def _figures(content: Content) -> dict[str, Drawn | None]:
    """Draw the figures by name; None for those that the rows do not support."""
    codes, speech, probes = content.codes, content.on_axis("speech"), content.on_axis("content")
    return {
        "codebook_histogram": codebook_histogram(codes.counts, codes.sizes) if codes.counts else None,
        "codebook_growth": codebook_growth(codes.growth) if codes.growth else None,
        "rate_vocabulary": rate_vocabulary(codes.rates) if codes.rates else None,
        "rate_quality": rate_quality(speech) if speech else None,
        "trade_off": trade_off(speech, probes) if speech and probes else None,
    }


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
