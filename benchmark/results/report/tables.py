"""Long rows to wide tables: which lines, columns and cells there are, before any formatting."""

from collections.abc import Sequence
from dataclasses import dataclass

from benchmark.errors import UserError
from benchmark.metrics.definitions import DEFINITIONS, MetricInfo
from benchmark.results.report.cells import Cell, Line, combine
from benchmark.results.row import Row
from benchmark.types import Kind


@dataclass(frozen=True)
class Layout:
    """Which rows a table shows: those of its tasks, over all utterances or by condition."""

    tasks: tuple[str, ...]
    title: str
    by_condition: bool = False
    """Whether every column is a metric under one condition, with a number of utterances of its own."""
    compares_ranks: bool = False
    """Whether its columns measure the same thing in several ways, so that their rankings are compared."""

    def shows(self, row: Row) -> bool:
        """Whether the row has a place in the table; metrics by condition are called "metric/condition"."""
        return row.task in self.tasks and ("/" in row.metric) is self.by_condition


TABLES: dict[str, Layout] = {
    "reconstruction": Layout(("reconstruction",), "Reconstruction"),
    "voice_conversion": Layout(("voice_conversion",), "Voice conversion"),
    "voice_conversion_conditions": Layout(
        ("voice_conversion",), "Voice conversion by condition", by_condition=True
    ),
    "probing": Layout(("asr_probe", "intent_probe", "phone_probe"), "Probing"),
    "ctc_ablation": Layout(("ctc_ablation",), "CTC ablation", compares_ranks=True),
    "codebook_usage": Layout(("codebook_usage",), "Codebook usage"),
    "speed": Layout(("speed",), "Speed"),
}
OVERVIEW = "overview"
"""Name of the table that joins several of `TABLES`; `report.survey` makes it."""

KIND_ORDER: tuple[Kind, ...] = (
    "topline",
    "acoustic",
    "acoustic-disentangled",
    "acoustic-semantic",
    "semantic-ssl",
    "semantic-supervised",
    "classical",
    "floor",
)
ANCHORS: frozenset[Kind] = frozenset(("topline", "classical", "floor"))
"""Kinds that give the scale of a table and do not compete in it."""


@dataclass(frozen=True)
class Table:
    """A wide table; `metrics` in column order, `rows` are the long rows behind it."""

    name: str
    profile: str
    metrics: dict[str, MetricInfo]
    lines: list[Line]
    rows: list[Row]

    @property
    def layout(self) -> Layout:
        """What it shows, and how."""
        if self.name == OVERVIEW:
            return Layout(tuple(dict.fromkeys(row.task for row in self.rows)), "Overview")
        return TABLES[self.name]


def make_table(name: str, rows: Sequence[Row]) -> Table | None:
    """Lay one of `TABLES` out, None when none of its tasks has run.

    Tasks that were run on one corpus each share a line per tokenizer; otherwise every corpus has its
    own lines. A tokenizer is expected on those corpora of the table that it was run on in any task,
    on all of them when it was run on none; what is expected and absent is "missing". A variant of a
    tokenizer has lines of its own, where it was run and nowhere else.

    Args:
        name: Key of `TABLES`.
        rows: All rows of one profile: they also tell which tokenizers are to be expected.

    Raises: UserError where numbers of one column were not taken in one way.
    """
    tasks = TABLES[name].tasks
    shown = [row for row in rows if TABLES[name].shows(row)]
    if not shown:
        return None
    _refuse_mixtures(name, shown)
    columns = _columns(shown, tasks)
    corpora = sorted({_corpus(row) for row in shown})
    merged = all(len({_corpus(row) for row in shown if row.task == task}) <= 1 for task in tasks)
    groups = [frozenset(corpora)] if merged else [frozenset((corpus,)) for corpus in corpora]
    lines = []
    for group in groups:
        for label in sorted({row.label for row in rows}):
            known = [row for row in rows if row.label == label]
            counting = [row for row in shown if row.label == label] if known[0].variant else known
            ran_on = {_corpus(row) for row in counting}
            if ran_on & group or not (known[0].variant or ran_on & set(corpora)):
                lines.append(_line(known, [row for row in shown if _corpus(row) in group], columns))
    lines.sort(key=line_order)
    metrics = {metric: definition_of(metric, shown) for metric in columns}
    return Table(name, shown[0].profile, metrics, lines, shown)


def definition_of(metric: str, rows: Sequence[Row]) -> MetricInfo:
    """How a metric is shown: as its rows say; as `DEFINITIONS` does where they say nothing; by its name."""
    for row in rows:
        if row.metric == metric and row.display:
            shown = {name: value for name, value in row.display.items() if name != "place"}
            return MetricInfo(**shown, definition=row.definition)
    unknown = MetricInfo(label=metric, unit="", higher_is_better=None, decimals=3, definition="")
    return DEFINITIONS.get(metric, unknown)


def _refuse_mixtures(name: str, shown: Sequence[Row]) -> None:
    """A column holds numbers of one profile and of one version of its metric, or it says nothing."""
    profiles = sorted({row.profile for row in shown})
    if len(profiles) > 1:
        raise UserError(f"table {name}: it would mix the profiles {', '.join(profiles)}; give each its own")
    ways: dict[tuple[str, str, str], dict[str, list[Row]]] = {}
    for row in shown:
        if row.value is not None:
            column = row.metric, row.dataset, row.split
            ways.setdefault(column, {}).setdefault(row.metric_key, []).append(row)
    for (metric, dataset, split), versions in ways.items():
        if len(versions) < 2:
            continue
        told = "; ".join(
            f"{', '.join(sorted({row.label for row in rows}))}: {rows[0].definition.rstrip('.')}"
            + (f" (version {key})" if key else " (by code that recorded no version)")
            for key, rows in sorted(versions.items())
        )
        raise UserError(
            f"table {name}: {metric} on {dataset}/{split} was not taken in one way, so that its numbers "
            f"cannot share a column. {told}. Run these jobs again with one definition: "
            "policy=only_missing does nothing else."
        )


def _corpus(row: Row) -> tuple[str, str]:
    return row.dataset, row.split


def _columns(shown: list[Row], tasks: tuple[str, ...]) -> dict[str, str]:
    """Task by metric, in column order: the tasks', then that of the rows or `DEFINITIONS`, then by name."""
    columns: dict[str, str] = {}
    rank = {metric: place for place, metric in enumerate(DEFINITIONS)}
    rank |= {row.metric: row.display["place"] for row in shown if row.display}
    for task in tasks:
        found = {row.metric for row in shown if row.task == task}
        if found & columns.keys():
            raise ValueError(f"two tasks of one table report {sorted(found & columns.keys())}: rename one")
        ordered = sorted(found, key=lambda metric: (rank.get(metric, len(rank)), metric))
        columns.update(dict.fromkeys(ordered, task))
    return columns


def _line(known: list[Row], group: list[Row], columns: dict[str, str]) -> Line:
    """A tokenizer's line.

    Args:
        known: All rows of the tokenizer, or of one variant, from any table: its facts.
        group: The rows of every tokenizer that this part of the table shows.
        columns: Task by metric.
    """
    label = known[0].label
    mine = [row for row in group if row.label == label]
    facts = (mine or known)[0]
    decoders = {row.decoder for row in mine}
    return Line(
        tokenizer=label,
        kind=facts.kind,
        decoder="+".join(sorted(decoders - {"none"} or decoders)),
        frame_rate=facts.frame_rate,
        num_codebooks=facts.num_codebooks,
        codebook_size=facts.codebook_size,
        bitrate=facts.bitrate,
        dataset="+".join(sorted({row.dataset for row in group})),
        split="+".join(sorted({row.split for row in group})),
        cells={metric: _cell(metric, task, mine, group) for metric, task in columns.items()},
    )


def _cell(metric: str, task: str, mine: list[Row], group: list[Row]) -> Cell:
    here = [row for row in mine if row.metric == metric]
    if here:
        return combine(here)
    if any(row.task == task for row in mine):
        return Cell("n/a", reason=f"{task} gave no such number")
    if any(row.task == task for row in group):
        return Cell("missing")
    return Cell("n/a", reason=f"{task} was not run on this corpus")


def line_order(line: Line) -> tuple[str, str, int, float, str]:
    """Sort key of lines: by corpus, then kind, then bitrate from the highest."""
    place = KIND_ORDER.index(line.kind)
    return *line.corpus, place, -(line.bitrate or 0.0), line.tokenizer
