"""Significance tests between the tokenizers of a column, which decide on the bold numbers of a table."""

from collections.abc import Callable
from dataclasses import dataclass, field

import pandas as pd

from benchmark.metrics.statistics.significance import holm, paired_test
from benchmark.results.report.cells import Cell
from benchmark.results.report.layouts import counts_of
from benchmark.results.report.tables import ANCHORS, Table
from benchmark.results.row import Row

LEVEL = 0.05
MAX_MISSING_SHARE = 0.1
"""Share of utterances without a score above which a number does not compete: a mean over the utterances that
a tokenizer can be scored on favours one that has no score on the hard ones."""

Utterances = Callable[[Row], pd.DataFrame]
"""Looks up the per-utterance scores of the job that a row belongs to; an empty frame if there are none."""


@dataclass(frozen=True)
class Contest:
    """Outcome of the significance tests in every column of a table.

    Attributes:
        best: Line index and metric of each number that is significantly best.
        columns: Headings of the columns in which two or more tokenizers compete.
        undecided: Headings of those columns in which no number can be significantly best, by reason.
    """

    best: frozenset[tuple[int, str]] = frozenset()
    columns: list[str] = field(default_factory=list)
    undecided: dict[str, list[str]] = field(default_factory=dict)
    barred: list[str] = field(default_factory=list)
    """Numbers that do not compete because too many utterances have no score, in words."""


def hold_contest(table: Table, utterances: Utterances) -> Contest:
    """Compare the best number of every column with every other number in the column, per corpus.

    The best number is significant if it is better in all of these paired tests after Holm's correction for
    their number. Anchors, trainings that failed or did not converge, numbers without a score on more than
    `MAX_MISSING_SHARE` of the utterances, and metrics without a direction do not compete. Utterances that
    either tokenizer has no score on are left out of their pair. Several seeds of a tokenizer are averaged per
    utterance, so that the tests concern utterances and speakers, not seeds.
    """
    best: set[tuple[int, str]] = set()
    undecided: dict[str, list[str]] = {}
    corpora = sorted({line.corpus for line in table.lines})
    columns: list[str] = []
    barred: list[str] = []
    for metric, definition in table.metrics.items():
        if definition.higher_is_better is None:
            continue
        sign = 1 if definition.higher_is_better else -1
        for corpus in corpora:
            cells = {
                place: line.cells[metric]
                for place, line in enumerate(table.lines)
                if line.corpus == corpus and line.kind not in ANCHORS and line.cells[metric].status == "ok"
            }
            few = {place for place, cell in cells.items() if cell.missing_share > MAX_MISSING_SHARE}
            barred += [f"{definition.label} of {table.lines[place].tokenizer}" for place in sorted(few)]
            cells = {place: cell for place, cell in cells.items() if place not in few}
            if len(cells) < 2:
                continue
            leader, *rivals = sorted(cells, key=lambda place: -sign * (cells[place].value or 0.0))
            wins, reason = _wins(cells[leader], [cells[place] for place in rivals], sign, utterances)
            if wins:
                best.add((leader, metric))
            columns.append(definition.label + (f" on {'/'.join(corpus)}" if len(corpora) > 1 else ""))
            if reason:
                undecided.setdefault(reason, []).append(columns[-1])
    return Contest(frozenset(best), columns, undecided, list(dict.fromkeys(barred)))


def _wins(leader: Cell, rivals: list[Cell], sign: int, utterances: Utterances) -> tuple[bool, str]:
    """Test whether the leader is significantly better than every rival; give a reason if no test can tell."""
    if len({row.definition for cell in (leader, *rivals) for row in cell.rows}) > 1:
        return False, "not defined alike for all tokenizers"
    scores = [scores_of(cell, utterances) for cell in (leader, *rivals)]
    present = [frame for frame in scores if frame is not None]
    if len(present) < len(scores):
        return False, "no scores per utterance to compare"
    tests = []
    for other in present[1:]:
        own, their = present[0].align(other, join="outer")
        speakers = own.index.get_level_values("speaker_id")
        tests.append(paired_test(own["above"], their["above"], speakers, (own["below"], their["below"])))
    if not all(test.n_pairs for test in tests):
        return False, "two tokenizers have no scored utterance in common"
    possible = holm([test.smallest_p for test in tests]).max()
    if possible > LEVEL:
        fewest = min(test.n_clusters for test in tests)
        return False, (
            f"{fewest} speaker{'s' if fewest > 1 else ''} and {len(tests)} comparison"
            f"{'s' if len(tests) > 1 else ''} allow no p-value below {possible:.3g}"
        )
    better = all(sign * test.difference > 0 for test in tests)
    return better and holm([test.p_value for test in tests]).max() <= LEVEL, ""


def scores_of(cell: Cell, utterances: Utterances) -> pd.DataFrame | None:
    """Return numerator and denominator of a metric by utterance and speaker, averaged over seeds.

    A score that a seed lacks is NaN. None is returned when a job keeps no scores per utterance.
    """
    seeds = []
    for row in cell.rows:
        frame = utterances(row)
        metric, _, condition = row.metric.partition("/")
        above, below = (
            f"{metric}:{name}" if f"{metric}:{name}" in frame else name  # one frame may hold several heads
            for name in counts_of(metric, [row]) or (metric, "")
        )
        if above not in frame or (below and below not in frame):
            return None
        if condition:
            frame = frame[frame["condition"] == condition]
        table = frame.set_index(["utterance_id", "speaker_id"])
        if f"{metric}:weight" in table:
            weights = table[f"{metric}:weight"]
            parts = {"above": table[metric] * weights, "below": weights}
        else:
            parts = {"above": table[above], "below": table[below] if below else 1.0}
        seeds.append(pd.DataFrame(parts, dtype=float))
    return sum(seeds[1:], start=seeds[0]) / len(seeds)
