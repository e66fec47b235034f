"""Significance tests between the tokenizers of a column, which decide on the bold numbers of a table."""

from dataclasses import dataclass, field

from benchmark.metrics.statistics.significance import LEVEL, better_than_all
from benchmark.results.report.cells import MAX_MISSING_SHARE, Cell
from benchmark.results.report.paired_scores import Pair, Utterances, scores_of
from benchmark.results.report.tables import ANCHORS, Table
from benchmark.results.trainings import too_few


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

    The best number is significant if it is better in all of these paired tests. Anchors, trainings that
    failed or did not converge, numbers without a score on more than `MAX_MISSING_SHARE` of the utterances,
    and metrics without a direction do not compete. Utterances that either tokenizer has no score on are left
    out of their pair. No column with too few trainings behind one of its numbers is decided, see `too_few`.
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
    present = [each for each in scores if each is not None]
    if len(present) < len(scores):
        return False, "no scores per utterance to compare"
    if reason := too_few(cell.rows for cell in (leader, *rivals)):
        return False, reason
    tests = [Pair.of(present[0], other).test() for other in present[1:]]
    if not all(test.n_pairs for test in tests):
        return False, "two tokenizers have no scored utterance in common"
    weakest = max(tests, key=lambda test: test.smallest_p)
    if weakest.smallest_p > LEVEL:
        speakers = "one speaker allows" if weakest.n_clusters == 1 else f"{weakest.n_clusters} speakers allow"
        return False, f"{speakers} no p-value below {weakest.smallest_p:.3g}"
    return better_than_all(tests, sign), ""
