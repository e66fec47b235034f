"""Compare a results folder with a reference, number by number.

    make reproduce-table
    python -m scripts.agrees results/mini                    # with results/reference/mini
    python -m scripts.agrees results/mini --reference other/mini

A number computed from codes and recordings alone must be the same to `TOLERANCE`. A number that depends on a
training must lie in the reference's interval: another processor rounds differently, and thousands of steps
magnify the difference. Status and counts must be equal. Prints a list of the differences; the exit status is
1 if there are any.
"""

import argparse
import sys
from pathlib import Path

from benchmark.errors import UserError
from benchmark.results.row import Row
from benchmark.results.store import ResultsStore

REFERENCE = Path(__file__).resolve().parents[1] / "results" / "reference"
"""One folder per profile."""
TOLERANCE = 1e-3
"""Largest difference, relative to the number, or absolute for numbers below 1."""
NO_TRAINING = ("none", "own", "constant", "unconverted")
"""Values of `decoder` in rows that depend on no training."""


def disagreements(fresh: list[Row], reference: list[Row]) -> list[str]:
    """Return a sentence for each row that differs from the reference or is missing there."""
    known = {_name(row): row for row in reference}
    return [
        f"{_name(row)}: {why}"
        for row in fresh
        if (why := _difference(row, known[_name(row)]) if _name(row) in known else "not in the reference")
    ]


def _name(row: Row) -> str:
    tokenizer = f"{row.tokenizer}+{row.variant}" if row.variant else row.tokenizer
    return f"{row.task} × {tokenizer} × {row.dataset} × seed {row.seed}: {row.metric}"


def _difference(row: Row, of: Row) -> str:
    if (row.status, row.definition) != (of.status, of.definition):
        return f"{row.status}, {row.definition} and not {of.status}, {of.definition}"
    if (row.n_scored, row.n_failed) != (of.n_scored, of.n_failed):
        return f"{row.n_scored} scored, {row.n_failed} failed and not {of.n_scored}, {of.n_failed}"
    if row.value is None or of.value is None:
        return "" if row.value == of.value else f"{row.value} and not {of.value}"
    if abs(row.value - of.value) <= TOLERANCE * max(1.0, abs(of.value)):
        return ""
    trained = row.decoder not in NO_TRAINING
    if trained and of.lo is not None and of.hi is not None and of.lo <= row.value <= of.hi:
        return ""
    span = f" in [{of.lo:.4g}, {of.hi:.4g}]" if trained and of.lo is not None and of.hi is not None else ""
    return f"{row.value:.6g} and not {of.value:.6g}{span}"


def read(fresh: Path, reference: Path | None) -> tuple[list[Row], list[Row]]:
    """Return the rows to check, and those of the reference: by default the committed one of their profile.

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
    return rows, known


def _rows(folder: Path) -> list[Row]:
    rows = ResultsStore(folder).rows()
    if not rows:
        raise UserError(f"{folder} has no rows; give the folder of a profile, such as results/mini")
    return rows


def main(arguments: list[str] | None = None) -> int:
    """Print the differences; return 1 if there are any."""
    parser = argparse.ArgumentParser(
        "python -m scripts.agrees", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("fresh", type=Path, help="the results folder to check")
    parser.add_argument("--reference", type=Path, help="default: results/reference/<profile of the rows>")
    given = parser.parse_args(arguments)
    try:
        fresh, reference = read(given.fresh, given.reference)
    except UserError as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    found = disagreements(fresh, reference)
    print("\n".join([*found, f"{len(fresh) - len(found)} of {len(fresh)} rows agree"]))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
