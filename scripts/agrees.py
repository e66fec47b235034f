"""Compare a results folder with a reference, number by number, both ways.

    make reproduce-table
    python -m scripts.agrees results/mini                    # with results/reference/mini
    python -m scripts.agrees results/mini --reference other/mini
    python -m scripts.agrees results/mini --partial          # only the jobs that results/mini has

Two outcomes agree. "equal": the same to 1e-3, relative above 1 and absolute below. "within": a number with a
training behind it that differs by no more than two trainings do. How far two trainings lie apart was measured
over seeds, and is stored beside the reference (`scripts.training_spread`); the bound is Student's t times √2
times that standard deviation, at a level shared by all trained numbers.

All other outcomes disagree: "outside" that bound, or different without a training; "unknown", if the number
differs and no spread was measured; "missing" here; "extra" here. Taken together, the trained numbers must
also be neither better nor worse than the reference's. The exit status is 1 if anything disagrees.
"""

import argparse
import sys
from collections import Counter
from pathlib import Path

from benchmark.errors import UserError
from benchmark.results.agreement import Agreement, agreement
from benchmark.results.row import Row
from benchmark.results.store import ResultsStore
from benchmark.results.training_spread import TrainingSpread

REFERENCE = Path(__file__).resolve().parents[1] / "results" / "reference"
"""One folder per profile."""
WORDS = {
    "equal": "equal to 1e-3",
    "within": "within the measured training spread",
    "outside": "outside it, or different without a training",
    "unknown": "different, and no training spread is known",
    "missing": "missing here",
    "extra": "not in the reference",
}


def read(fresh: Path, reference: Path | None) -> tuple[list[Row], list[Row], Path]:
    """Return the rows to check, those of the reference, by default the committed one, and its folder.

    Raises: UserError where a folder has no rows, or the rows to check are the reference's own.
    """
    rows = _rows(fresh)
    reference = reference or REFERENCE / rows[0].profile
    known = _rows(reference)
    if fresh.resolve() == reference.resolve():
        raise UserError(f"{fresh} is the reference itself; give what a run has written, such as results/mini")
    if all(row in known for row in rows):  # with their dates and the seconds that they took
        raise UserError(
            f"{fresh} is a copy of the reference; run into an empty folder (RESULTS=…) and give that"
        )
    return rows, known, reference


def _rows(folder: Path) -> list[Row]:
    rows = ResultsStore(folder).rows()
    if not rows:
        raise UserError(f"{folder} has no rows; give the folder of a profile, such as results/mini")
    return rows


def summary(found: Agreement, partial: bool, reference: Path) -> list[str]:
    """Return the disagreements, the counts, and what to do about an unknown spread, as lines."""
    lines = [
        f"{each.job}: {each.metric}: {each.why}"
        for each in found.findings
        if each.outcome in ("outside", "unknown")
    ]
    for outcome in ("missing", "extra"):
        jobs: dict[str, list[str]] = {}
        for each in found.findings:
            if each.outcome == outcome and not (partial and outcome == "missing"):
                jobs.setdefault(each.job, []).append(each.metric)
        lines += [f"{job}: {WORDS[outcome]}: {', '.join(names)}" for job, names in jobs.items()]
    if found.shifted:
        lines.append(found.shifted)
    counts = Counter(each.outcome for each in found.findings)
    lines.append("; ".join(f"{counts[outcome]} {words}" for outcome, words in WORDS.items()))
    if far := sum(each.far for each in found.findings):
        lines.append(
            f"{far} of the {counts['within']} within the spread are beyond the 95 % bound of a single "
            "number; chance puts 5 % there"
        )
    if counts["unknown"]:
        profile = reference.name
        lines.append(
            "to measure the training spread, run the profile with several seeds: "
            f"RESULTS=seeds python -m benchmark sweep experiment={profile} seed=0,1,2; then "
            f"python -m scripts.training_spread seeds/{profile} {reference}"
        )
    if counts["missing"] and not partial:
        lines.append("if only a part was run on purpose, --partial compares that part")
    return lines


def main(arguments: list[str] | None = None) -> int:
    """Print the disagreements and the counts; return 1 if anything disagrees."""
    parser = argparse.ArgumentParser(
        "python -m scripts.agrees", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("fresh", type=Path, help="the results folder to check")
    parser.add_argument("--reference", type=Path, help="default: results/reference/<profile of the rows>")
    parser.add_argument("--partial", action="store_true", help="allow rows of the reference to be missing")
    given = parser.parse_args(arguments)
    try:
        fresh, known, reference = read(given.fresh, given.reference)
        found = agreement(fresh, known, TrainingSpread.read(reference))
    except UserError as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    print("\n".join(summary(found, given.partial, reference)))
    return 0 if found.passes(given.partial) else 1


if __name__ == "__main__":
    sys.exit(main())
