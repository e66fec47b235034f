"""Table of the differences between two systems, with the notes that explain it."""

from collections.abc import Sequence

from benchmark.metrics.statistics.significance import LEVEL, holm
from benchmark.results.report.compare import Comparison, Difference
from benchmark.results.report.notes import TESTS
from benchmark.results.report.printed import DASH, SEEDS, Entry, Grid, heading

FEW = 4
"""Maximum number of names in a note."""


def comparison_grid(comparison: Comparison) -> Grid:
    """Lay out the comparison as a table: significant differences are bold, refused ones are listed below."""
    names = ["task", "corpus", "metric"]
    if any(len(each.about) == 3 for each in comparison.differences):
        names = ["tokenizer", *names]
    has_seeds = any(any(each.n_trainings) for each in comparison.differences)
    body = []
    for each in comparison.differences:
        digits = f".{each.definition.decimals}f"
        bounds = "" if each.lo != each.lo else f"[{each.lo:+{digits}}, {each.hi:+{digits}}]"
        entries = [Entry(text) for text in (*each.about, heading(each.definition))]
        entries += [Entry(f"{each.first:z{digits}}"), Entry(f"{each.second:z{digits}}")]
        entries += [Entry(f"{each.difference:+{digits}}", bounds, bold=bool(each.better))]
        entries += [
            Entry(_p(each.p_value)),
            Entry(DASH if each.undecided else _p(each.adjusted)),
            Entry(str(each.n_pairs)),
        ]
        entries += [Entry(str(each.n_clusters))]
        entries += [Entry(" / ".join(str(count or DASH) for count in each.n_trainings))] * has_seeds
        body.append([*entries, Entry(each.better or DASH)])
    return Grid(
        title=f"{comparison.second} against {comparison.first}, profile {comparison.profile}",
        num_names=len(names),
        header=[*names, "A", "B", "B − A", "p", "p (Holm)", "n", "speakers", *[SEEDS] * has_seeds, "better"],
        body=body,
        notes=_notes(comparison),
        footnotes=[],
        last_names=1,
    )


def _notes(comparison: Comparison) -> list[str]:
    found = comparison.differences
    decided = [each for each in found if not each.undecided]
    notes = [
        f"A: {comparison.first}. B: {comparison.second}.",
        "A, B and B − A: over the utterances that both have scores of, n, so that they may differ from the "
        "tables; several seeds are averaged.",
        "[lo, hi]: 95 % paired jackknife over speakers, Student's t; with several seeds over speakers and "
        "seeds.",
        f"p: paired test. {TESTS}",
    ]
    if decided:
        notes.append(
            f"p (Holm): corrected for {len(decided)} comparisons. Bold and better: p (Holm) ≤ {LEVEL:g}."
        )
    if any(any(each.n_trainings) for each in found):
        notes.append(f"{SEEDS}: trainings behind A / behind B; {DASH}: none.")
    for reason in dict.fromkeys(each.undecided for each in found if each.undecided):
        names = [_name(each) for each in found if each.undecided == reason]
        notes.append(f"Never bold: {'everything' if len(names) == len(found) else _few(names)} ({reason}).")
    possible = holm([each.smallest_p for each in decided]).min(initial=1.0)
    if decided and possible > LEVEL:
        fewest = max(each.n_clusters for each in decided)
        notes.append(
            f"Nothing can be bold here: {fewest} speakers and {len(decided)} comparisons "
            f"allow no p (Holm) below {possible:.3g}. Fewer comparisons (--task, --metric) ask for less."
        )
    unpaired = [each for each in found if each.n_failed]
    if unpaired:
        told = (f"{each.definition.label} {each.n_failed}" for each in unpaired)
        notes.append(f"Utterances without a score of both: {', '.join(dict.fromkeys(told))}.")
    by_reason: dict[str, list[str]] = {}
    for name, reason in comparison.refused.items():
        by_reason.setdefault(reason, []).append(name)
    for reason, names in by_reason.items():
        notes.append(f"Not compared: {_few(names)}: {reason}.")
    return notes


def _name(each: Difference) -> str:
    return " × ".join((*each.about, each.definition.label))


def _few(names: Sequence[str]) -> str:
    return "; ".join(names[:FEW]) + (f"; and {len(names) - FEW} more" if len(names) > FEW else "")


def _p(value: float) -> str:
    return "< 0.001" if value < 0.001 else f"{value:.3f}"
