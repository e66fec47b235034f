"""Agreement of a run with a reference: an outcome per number, and a test of all trained ones together."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from benchmark.results.report.layouts import shown_as
from benchmark.results.row import Row
from benchmark.results.training_spread import TRAINED, Spread, TrainingSpread, is_trained

Outcome = Literal["equal", "within", "outside", "unknown", "missing", "extra"]

TOLERANCE = 1e-3
"""Largest difference of equal numbers, relative to the number, or absolute for numbers below 1."""
LEVEL = 0.025
"""Chance that an honest run fails because of any single trained number, and again because of all together."""
FLIPS = 20_000
"""Random sign flips where there are too many trainings to try all."""


@dataclass(frozen=True)
class Finding:
    """Outcome of one number; `why` is empty for one that agrees.

    `far` marks one that is within, though beyond the 95 % bound that would hold for it alone.
    """

    job: str
    metric: str
    outcome: Outcome
    why: str = ""
    far: bool = False


@dataclass(frozen=True)
class Agreement:
    """Outcomes of all numbers; `shifted` says that the trained ones moved together, if they did."""

    findings: list[Finding]
    shifted: str = ""

    def passes(self, partial: bool = False) -> bool:
        """Tell whether everything agrees; `partial` allows numbers of the reference to be missing."""
        allowed = {"equal", "within"} | ({"missing"} if partial else set())
        return not self.shifted and all(each.outcome in allowed for each in self.findings)


def agreement(fresh: Iterable[Row], reference: Iterable[Row], spread: TrainingSpread) -> Agreement:
    """Compare two sets of rows by profile, task, tokenizer, dataset, split, seed and metric."""
    here, there = ({(_job(row), row.metric): row for row in rows} for rows in (fresh, reference))
    both = [(here[name], there[name]) for name in sorted(here.keys() & there.keys())]
    tests = sum(is_trained(of) and spread.of(of) is not None for _, of in both)
    findings = [_compare(row, of, spread.of(of), LEVEL / max(1, tests)) for row, of in both]
    findings += [Finding(*name, "missing") for name in sorted(there.keys() - here.keys())]
    findings += [Finding(*name, "extra") for name in sorted(here.keys() - there.keys())]
    return Agreement(findings, _shifted(both, spread))


def _job(row: Row) -> str:
    return f"{row.profile}: {row.task} × {row.label} × {row.dataset}/{row.split} × seed {row.seed}"


def _compare(row: Row, of: Row, spread: Spread | None, level: float) -> Finding:
    """Compare two numbers of one name; `level` is that of one trained number's bound."""
    job = _job(row)
    trained = is_trained(row) or is_trained(of)
    if (row.status, row.definition) != (of.status, of.definition):
        why = f"{row.status}, {row.definition} and not {of.status}, {of.definition}"
        return Finding(job, row.metric, "outside", why)
    counts = f"{row.n_scored} scored, {row.n_failed} failed and not {of.n_scored}, {of.n_failed}"
    if row.n_scored + row.n_failed != of.n_scored + of.n_failed or (row.value is None) != (of.value is None):
        return Finding(job, row.metric, "outside", f"{row.value} of {counts}")
    value, known = row.value or 0.0, of.value or 0.0
    apart, lost = abs(value - known), abs(row.n_scored - of.n_scored)
    if apart <= TOLERANCE * max(1.0, abs(known)) and not lost:
        return Finding(job, row.metric, "equal")
    told = f"{value:.6g} and not {known:.6g}" + (f"; {counts}" if lost else "")
    if not trained:
        return Finding(job, row.metric, "outside", told)
    if spread is None:
        return Finding(job, row.metric, "unknown", f"{told}; no training spread is known")
    bound, most_lost = spread.bounds(level)
    if apart <= bound and lost <= most_lost:
        return Finding(job, row.metric, "within", far=apart > spread.bounds(0.05)[0])
    return Finding(
        job,
        row.metric,
        "outside",
        f"{told}; two trainings differ by {bound:.4g} at most (SD {spread.sd:.3g})",
    )


def _shifted(both: Sequence[tuple[Row, Row]], spread: TrainingSpread) -> str:
    """Say that the trained numbers are better, or worse, than the reference's as a whole; else return "".

    If both folders hold draws of the same trainings, the difference of each training is as likely to be for
    the better as for the worse. The exact distribution of their sum follows from flipping signs. The numbers
    of one training count once, as their mean in units of the spread.
    """
    trainings: dict[tuple[str, ...], list[float]] = {}
    for row, of in both:
        scale, better = spread.of(of), shown_as(of.metric, [of]).higher_is_better
        if scale is None or better is None or row.value is None or of.value is None or not scale.sd:
            continue
        shift = (row.value - of.value) / scale.sd * (1 if better else -1)
        networks = tuple(name for name in of.artifacts if name.partition("/")[0] in TRAINED)
        trainings.setdefault(networks, []).append(shift)
    shifts = np.array([np.mean(each) for each in trainings.values()])
    if not shifts.any() or 2.0 ** (1 - len(shifts)) > LEVEL:
        return ""
    if 2 ** len(shifts) <= FLIPS:
        signs = 1 - 2 * (np.arange(2 ** len(shifts))[:, None] >> np.arange(len(shifts)) & 1)
    else:
        signs = np.random.default_rng(0).choice([-1, 1], (FLIPS, len(shifts)))
    sums = np.abs(signs @ shifts)
    p_value = (1 + (sums >= np.abs(shifts.sum()) * (1 - 1e-9)).sum()) / (1 + len(sums))
    if p_value > LEVEL:
        return ""
    way = "better" if shifts.sum() > 0 else "worse"
    return (
        f"taken together, the trained numbers are {way} than the reference's: {len(shifts)} trainings, mean "
        f"shift {shifts.mean():+.2g} standard deviations, sign-flip test p = {p_value:.2g}"
    )
