"""Comparison of two systems on their common utterances: differences and their significance."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from benchmark.errors import UserError
from benchmark.metrics.reported import MetricInfo
from benchmark.metrics.statistics.intervals import difference_interval
from benchmark.metrics.statistics.significance import holm, paired_test
from benchmark.results.report.best_in_column import LEVEL, MAX_MISSING_SHARE, Utterances, scores_of
from benchmark.results.report.cells import Cell, combine
from benchmark.results.report.grid import Entry, Grid, heading
from benchmark.results.report.layouts import counts_of, shown_as
from benchmark.results.row import Row


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
    adjusted: float = float("nan")
    """`p_value` after Holm's correction over all differences of the comparison."""

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


FEW = 4
"""Maximum number of names in a note."""
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
    adjusted = holm([each.p_value for each in found])
    found = [
        Difference(**{**vars(each), "adjusted": float(p)}) for each, p in zip(found, adjusted, strict=True)
    ]
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
    own, their = scores[0].align(scores[1], join="outer")
    speakers = own.index.get_level_values("speaker_id")
    units = own["below"], their["below"]
    test = paired_test(own["above"], their["above"], speakers, units)
    if not test.n_pairs:
        return "no scored utterance in common"
    both = own.notna().all(axis=1) & their.notna().all(axis=1)
    scale = 100.0 if counts_of(metric.partition("/")[0], [a, b]) else 1.0
    values = [scale * side["above"][both].sum() / side["below"][both].sum() for side in (own, their)]
    interval = difference_interval(their["above"], own["above"], speakers, units[::-1]).scaled(scale)
    return Difference(
        about=tuple(part for part in (label, task, f"{dataset}/{split}") if part),
        definition=shown_as(metric, [a, b]),
        first=float(values[0]),
        second=float(values[1]),
        difference=interval.value,
        lo=interval.lo,
        hi=interval.hi,
        n_pairs=test.n_pairs,
        n_failed=test.n_failed,
        n_clusters=test.n_clusters,
        p_value=test.p_value,
        smallest_p=test.smallest_p,
    )


def comparison_grid(comparison: Comparison) -> Grid:
    """Lay out the comparison as a table: significant differences are bold, refused ones are listed below."""
    names = ["task", "corpus", "metric"]
    if any(len(each.about) == 3 for each in comparison.differences):
        names = ["tokenizer", *names]
    body = []
    for each in comparison.differences:
        digits = f".{each.definition.decimals}f"
        bounds = "" if each.lo != each.lo else f"[{each.lo:+{digits}}, {each.hi:+{digits}}]"
        entries = [Entry(text) for text in (*each.about, heading(each.definition))]
        entries += [Entry(f"{each.first:{digits}}"), Entry(f"{each.second:{digits}}")]
        entries += [Entry(f"{each.difference:+{digits}}", bounds, bold=bool(each.better))]
        entries += [Entry(_p(each.p_value)), Entry(_p(each.adjusted)), Entry(str(each.n_pairs))]
        body.append([*entries, Entry(str(each.n_clusters)), Entry(each.better or "–")])
    return Grid(
        title=f"{comparison.second} against {comparison.first}, profile {comparison.profile}",
        num_names=len(names),
        header=[*names, "A", "B", "B − A", "p", "p (Holm)", "n", "speakers", "better"],
        body=body,
        notes=_notes(comparison),
        footnotes=[],
        last_names=1,
    )


def _notes(comparison: Comparison) -> list[str]:
    notes = [
        f"A: {comparison.first}. B: {comparison.second}.",
        "A, B and B − A: over the utterances that both have scores of, n, so that they may differ from the "
        "tables; several seeds are averaged per utterance.",
        "[lo, hi]: 95 % paired percentile bootstrap over speakers, 1000 resamples, quantiles expanded for "
        "their number. p: paired permutation test over speakers; p (Holm): corrected for "
        f"{len(comparison.differences)} comparisons. Bold and better: p (Holm) ≤ {LEVEL:g}.",
    ]
    possible = holm([each.smallest_p for each in comparison.differences]).min()
    if possible > LEVEL:
        fewest = max(each.n_clusters for each in comparison.differences)
        notes.append(
            f"Nothing can be bold here: {fewest} speakers and {len(comparison.differences)} comparisons "
            f"allow no p (Holm) below {possible:.3g}. Fewer comparisons (--task, --metric) ask for less."
        )
    unpaired = [each for each in comparison.differences if each.n_failed]
    if unpaired:
        told = (f"{each.definition.label} {each.n_failed}" for each in unpaired)
        notes.append(f"Utterances without a score of both: {', '.join(dict.fromkeys(told))}.")
    by_reason: dict[str, list[str]] = {}
    for name, reason in comparison.refused.items():
        by_reason.setdefault(reason, []).append(name)
    for reason, names in by_reason.items():
        few = "; ".join(names[:FEW]) + (f"; and {len(names) - FEW} more" if len(names) > FEW else "")
        notes.append(f"Not compared: {few}: {reason}.")
    return notes


def _p(value: float) -> str:
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def pick(rows: Sequence[Row], label: str, where: str) -> list[Row]:
    """Return the rows of one tokenizer, named as in tables.

    Raises: UserError when there are none.
    """
    mine = [row for row in rows if row.label == label]
    if not mine:
        names = ", ".join(sorted({row.label for row in rows})) or "none"
        raise UserError(f"{label!r} is neither a results folder nor a tokenizer of {where}; known: {names}")
    return mine
