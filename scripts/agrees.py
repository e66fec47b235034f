"""Compare a results folder with a reference, number by number.

    RESULTS=fresh CACHE=fresh/cache make reproduce-table
    python -m scripts.agrees fresh/mini                      # with results/mini
    python -m scripts.agrees fresh/mini --reference other/mini

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


def main(arguments: list[str] | None = None) -> int:
    """Print the differences; return 1 if there are any."""
    parser = argparse.ArgumentParser(
        "python -m scripts.agrees", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("fresh", type=Path, help="the results folder to check")
    parser.add_argument("--reference", type=Path, default=Path("results/mini"))
    given = parser.parse_args(arguments)
    try:
        if given.fresh.resolve() == given.reference.resolve():
            raise UserError(
                f"{given.fresh} is the reference itself; run with RESULTS=<another folder> and give that"
            )
        fresh, reference = (ResultsStore(path).rows() for path in (given.fresh, given.reference))
        for path, rows in ((given.fresh, fresh), (given.reference, reference)):
            if not rows:
                raise UserError(f"{path} has no rows; give the folder of a profile, such as results/mini")
    except UserError as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    found = disagreements(fresh, reference)
    print("\n".join([*found, f"{len(fresh) - len(found)} of {len(fresh)} rows agree"]))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
