"""Explanations on the page beside its numbers: definitions, missing numbers with reasons, and provenance."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchmark.results.report.cells import Cell, Line
from benchmark.results.report.page_tables import anchor_of
from benchmark.results.report.printed import heading
from benchmark.results.report.tables import Table
from benchmark.results.row import Row


@dataclass(frozen=True)
class Meaning:
    """Definition of a metric; if its rows disagree, each definition with its tokenizers."""

    anchor: str
    label: str
    table: str
    texts: list[str]


@dataclass(frozen=True)
class Problem:
    """Reason why numbers of a tokenizer are missing, or rest on fewer utterances."""

    table: str
    tokenizer: str
    corpus: str
    status: str
    metrics: str
    reason: str


@dataclass(frozen=True)
class Job:
    """Provenance of the numbers of one job."""

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
    "partly NC": "some seeds did not converge",
    "ok": "some utterances have no score",
}
"""Names of the problems, most severe first. A metric that has no meaning for a tokenizer is no problem."""


def meanings(tables: Iterable[Table]) -> list[Meaning]:
    """Return the definition of every metric of the tables, in their order.

    A metric under a condition is defined as without the condition.
    """
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
    """List what failed, is missing or did not converge; group a line's metrics by reason."""
    found = [
        Problem(table.layout.title, line.tokenizer, "/".join(line.corpus), status, ", ".join(labels), reason)
        for table in tables
        if not table.layout.by_condition  # these are the same utterances once more
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
        if cell.status in ("failed", "missing", "NC", "partly NC") or (cell.status == "ok" and cell.missing):
            stories.setdefault((cell.status, _reason(cell)), []).append(table.metrics[metric].label)
    return stories


def _reason(cell: Cell) -> str:
    if cell.status == "missing":
        return "this job has not run"
    if cell.status == "ok":
        return f"{cell.missing}: {cell.reason}" if cell.reason else cell.missing
    return cell.reason


def jobs(rows: Iterable[Row]) -> list[Job]:
    """Return every job once, in the order of the rows."""
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
    """Return the version of every package behind the rows; several versions of a package are joined."""
    found: dict[str, set[str]] = {}
    for row in rows:
        for package, version in row.versions.items():
            found.setdefault(package, set()).add(version)
    return {package: ", ".join(sorted(found[package])) for package in sorted(found)}


def provenance(rows: Sequence[Row]) -> list[tuple[str, str]]:
    """Return where the numbers come from, as pairs of a fact and all its values, if it has any."""
    facts = {
        "profile": {row.profile for row in rows},
        "commit": {row.git_commit or "unknown" for row in rows},
        "numbers made on (UTC)": {row.date or "unknown" for row in rows},
        "seeds": {str(row.seed) for row in rows},
        "device": {row.device for row in rows},
        "processor": {_processor(row.machine) for row in rows},
        "trained on": {machine for row in rows for machine in _trained_on(row)},
        "python": {row.versions.get("python", "unknown") for row in rows},
        "intervals": {row.interval for row in rows if row.interval},
        "schema version of the rows": {str(row.schema_version) for row in rows},
    }
    return [(word, "; ".join(sorted(texts))) for word, texts in facts.items() if texts]


def _processor(machine: Mapping[str, Any]) -> str:
    """Name a processor with the instruction set of its kernels, which changes last digits."""
    instructions = machine.get("instructions")
    return str(machine.get("processor", "unknown")) + (f" ({instructions})" if instructions else "")


def _trained_on(row: Row) -> Iterator[str]:
    """Yield the machines that trained the models behind a number."""
    for machines in row.machine.get("trained_on", {}).values():
        for machine in machines:
            threads, devices = machine.get("threads", 1), machine.get("devices", 1)
            where = machine.get("gpu") or _processor(machine)
            yield f"{where}, {threads} thread{'s' * (threads != 1)}, {devices} device{'s' * (devices != 1)}"
