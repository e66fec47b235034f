"""Comparison of two systems on their common utterances: differences and their significance."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from benchmark.errors import UserError
from benchmark.metrics.reported import MetricInfo
from benchmark.metrics.statistics.intervals import difference_interval
from benchmark.metrics.statistics.significance import LEVEL, PairedTest, holm
from benchmark.results.report.cells import MAX_MISSING_SHARE, Cell, combine
from benchmark.results.report.layouts import counts_of, shown_as
from benchmark.results.report.paired_scores import Pair, Utterances, scores_of
from benchmark.results.row import Row
from benchmark.results.trainings import too_few, trainings


@dataclass(frozen=True)
class Side:
    """One of the two systems: its name in the table, its rows, and a look-up of its scores."""

    name: str
    rows: list[Row]
    utterances: Utterances


@dataclass(frozen=True)
class Difference:
    """Difference of one metric between two systems, over their common utterances and in the metric's unit.

    `difference` is B − A.
    """

    about: tuple[str, ...]
    """Task, tokenizer when both sides are folders, and corpus."""
    definition: MetricInfo
    first: float
    second: float
    difference: float
    lo: float
    hi: float
    n_pairs: int
    n_failed: int
    n_clusters: int
    p_value: float
    smallest_p: float
    """Smallest p-value that a test with this many speakers can give."""
    n_trainings: tuple[int, int]
    """Trainings behind the numbers of A and of B; 0 for a number that depends on none."""
    undecided: str
    """Why the difference cannot be significant whatever its p-value; empty if it can."""
    adjusted: float = float("nan")
    """`p_value` after Holm's correction over all differences that can be significant; NaN for the others."""

    @property
    def better(self) -> str:
        """The better side, "A" or "B"; empty without a significant difference or a direction."""
        up = self.definition.higher_is_better
        if up is None or not self.adjusted <= LEVEL:
            return ""
        return "B" if (self.difference > 0) is up else "A"


@dataclass(frozen=True)
class Comparison:
    """Differences that could be computed, and the reasons why others could not."""

    first: str
    second: str
    profile: str
    differences: list[Difference]
    refused: dict[str, str]
    """Reason by name of the number."""


Key = tuple[str, str, str, str, str]
"""Label of the tokenizer or an empty text, task, dataset, split and metric."""


def compare(first: Side, second: Side, by_tokenizer: bool) -> Comparison:
    """Compare two sides metric by metric.

    Args:
        first: Side A.
        second: Side B.
        by_tokenizer: Whether to compare the numbers of each tokenizer on one side with its own on the other,
            as for two folders; otherwise each side is one tokenizer.

    Raises: UserError when nothing at all can be compared.
    """
    profiles = {row.profile for side in (first, second) for row in side.rows}
    if len(profiles) > 1:
        raise UserError(
            f"{first.name} and {second.name} are of the profiles {' and '.join(sorted(profiles))}, whose "
            "numbers are not comparable: corpora, recognisers and budgets differ"
        )
    sides = [_cells(side.rows, by_tokenizer) for side in (first, second)]
    found: list[Difference] = []
    refused: dict[str, str] = {}
    for key in sorted(sides[0].keys() | sides[1].keys()):
        label, task, dataset, split, metric = key
        name = " × ".join(part for part in (label, task, f"{dataset}/{split}", metric) if part)
        cells = [side.get(key) for side in sides]
        if cells[0] is None or cells[1] is None:
            refused[name] = f"only {first.name if cells[0] else second.name} has it"
            continue
        outcome = _difference(key, (cells[0], cells[1]), first, second)
        if isinstance(outcome, Difference):
            found.append(outcome)
        else:
            refused[name] = outcome
    if not found:
        reasons = "; ".join(sorted(set(refused.values()))) or "neither has any numbers"
        raise UserError(f"nothing of {first.name} and {second.name} can be compared: {reasons}")
    decided = [place for place, each in enumerate(found) if not each.undecided]
    for place, p in zip(decided, holm([found[place].p_value for place in decided]), strict=True):
        found[place] = replace(found[place], adjusted=float(p))
    return Comparison(first.name, second.name, profiles.pop(), found, refused)


def _cells(rows: Iterable[Row], by_tokenizer: bool) -> dict[Key, Cell]:
    groups: dict[Key, list[Row]] = {}
    for row in rows:
        label = row.label if by_tokenizer else ""
        groups.setdefault((label, row.task, row.dataset, row.split, row.metric), []).append(row)
    return {key: combine(group) for key, group in groups.items()}


def _difference(key: Key, cells: tuple[Cell, Cell], first: Side, second: Side) -> Difference | str:
    """Return the difference, or the reason why there is none."""
    label, task, dataset, split, metric = key
    for side, cell in zip((first, second), cells, strict=True):
        if cell.status != "ok":
            return f"{side.name} is {cell.status}: {cell.reason}"
        if cell.missing_share > MAX_MISSING_SHARE:
            return f"{side.name} has no score on more than {MAX_MISSING_SHARE:.0%}: {cell.missing}"
    a, b = (cell.rows[0] for cell in cells)
    if a.metric_key != b.metric_key:
        return f"taken in two ways: {a.definition.rstrip('.')} / {b.definition.rstrip('.')}"
    if a.definition != b.definition:
        return f"defined in two ways: {a.definition.rstrip('.')} / {b.definition.rstrip('.')}"
    scores = [scores_of(cell, side.utterances) for cell, side in zip(cells, (first, second), strict=True)]
    if scores[0] is None or scores[1] is None:
        return "no scores per utterance"
    pair = Pair.of(scores[1], scores[0])
    test = pair.test()
    if not test.n_pairs:
        return "no scored utterance in common"
    scale = 100.0 if counts_of(metric.partition("/")[0], [a, b]) else 1.0
    values = pair.values()
    lo, hi = _bounds(pair, test)
    return Difference(
        about=tuple(part for part in (label, task, f"{dataset}/{split}") if part),
        definition=shown_as(metric, [a, b]),
        first=scale * values[1],
        second=scale * values[0],
        difference=scale * test.difference,
        lo=scale * lo,
        hi=scale * hi,
        n_pairs=test.n_pairs,
        n_failed=test.n_failed,
        n_clusters=test.n_clusters,
        p_value=test.p_value,
        smallest_p=test.smallest_p,
        n_trainings=(trainings(cells[0].rows), trainings(cells[1].rows)),
        undecided=too_few(cell.rows for cell in cells),
    )


def _bounds(pair: Pair, test: PairedTest) -> tuple[float, float]:
    """Return bounds of the difference: over speakers, and over seeds where a number has several."""
    if test.error is not None:
        return test.difference - test.error.half_width, test.difference + test.error.half_width
    (first, units), (second, other_units) = pair.first, pair.second
    interval = difference_interval(first[0], second[0], pair.speakers, (units[0], other_units[0]))
    return interval.lo, interval.hi


def pick(rows: Sequence[Row], label: str, where: str) -> list[Row]:
    """Return the rows of one tokenizer, named as in tables.

    Raises: UserError when there are none.
    """
    mine = [row for row in rows if row.label == label]
    if not mine:
        names = ", ".join(sorted({row.label for row in rows})) or "none"
        raise UserError(f"{label!r} is neither a results folder nor a tokenizer of {where}; known: {names}")
    return mine
