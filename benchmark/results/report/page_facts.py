"""What the page says beside its numbers: what a metric is, what is missing and why, what made it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from benchmark.results.report.cells import Cell, Line
from benchmark.results.report.grid import heading
from benchmark.results.report.page_tables import anchor_of
from benchmark.results.report.tables import Table
from benchmark.results.row import Row


@dataclass(frozen=True)
class Meaning:
    """A metric's definition; where its rows disagree, each text with the tokenizers that it holds for."""

    anchor: str
    label: str
    table: str
    texts: list[str]


@dataclass(frozen=True)
class Problem:
    """Why numbers of a tokenizer are not there, or rest on fewer utterances."""

    table: str
    tokenizer: str
    corpus: str
    status: str
    metrics: str
    reason: str


@dataclass(frozen=True)
class Job:
    """Where the numbers of one job come from."""

    task: str
    tokenizer: str
    corpus: str
    seed: int
    device: str
    commit: str
    config: str
    key: str
    seconds: float


WORDS = {
    "failed": "failed",
    "missing": "missing",
    "NC": "NC, did not converge",
    "ok": "some utterances have no score",
}
"""What a problem is called, gravest first. A number that has no meaning for a tokenizer is none."""


def meanings(tables: Iterable[Table]) -> list[Meaning]:
    """Every metric of the tables in their order; under a condition a metric means what it always means."""
    found = []
    for table in tables:
        for metric, definition in table.metrics.items():
            users: dict[str, set[str]] = {}
            for row in table.rows:
                if row.metric == metric and row.status != "n/a":
                    users.setdefault(row.definition, set()).add(row.label)
            texts = [
                text + (f" [{', '.join(sorted(names))}]" if len(users) > 1 else "")
                for text, names in sorted(users.items())
            ]
            anchor = anchor_of(table.name, metric)
            found.append(
                Meaning(anchor, heading(definition), table.layout.title, texts or [definition.definition])
            )
    return found


def problems(tables: Iterable[Table]) -> list[Problem]:
    """What failed, is missing or did not converge; metrics of a line with the same story together."""
    found = [
        Problem(table.layout.title, line.tokenizer, "/".join(line.corpus), status, ", ".join(labels), reason)
        for table in tables
        if not table.layout.by_condition  # the same utterances once more
        for line in table.lines
        for (status, reason), labels in _stories(table, line).items()
    ]
    order = list(WORDS)
    return [
        Problem(p.table, p.tokenizer, p.corpus, WORDS[p.status], p.metrics, p.reason)
        for p in sorted(found, key=lambda problem: order.index(problem.status))
    ]


def _stories(table: Table, line: Line) -> dict[tuple[str, str], list[str]]:
    stories: dict[tuple[str, str], list[str]] = {}
    for metric, cell in line.cells.items():
        if cell.status in ("failed", "missing", "NC") or (cell.status == "ok" and cell.n_failed):
            stories.setdefault((cell.status, _reason(cell)), []).append(table.metrics[metric].label)
    return stories


def _reason(cell: Cell) -> str:
    if cell.status == "missing":
        return "this job has not run"
    if cell.status == "ok":
        told = f"{cell.n_failed} of {cell.n_scored + cell.n_failed} utterances"
        return f"{told}: {cell.reason}" if cell.reason else told
    return cell.reason


def jobs(rows: Iterable[Row]) -> list[Job]:
    """Every job once, in the rows' order."""
    found = {
        Job(
            row.task,
            row.label,
            f"{row.dataset}/{row.split}",
            row.seed,
            row.device,
            row.git_commit or "unknown",
            row.config_digest,
            row.key,
            row.wall_time,
        ): None
        for row in rows
    }
    return list(found)


def versions(rows: Iterable[Row]) -> Mapping[str, str]:
    """Version of every package behind the rows; several joined where rows were made by several."""
    found: dict[str, set[str]] = {}
    for row in rows:
        for package, version in row.versions.items():
            found.setdefault(package, set()).add(version)
    return {package: ", ".join(sorted(found[package])) for package in sorted(found)}
