"""Does a results folder agree with a reference, number by number?

    RESULTS=fresh CACHE=fresh/cache make reproduce-table
    python -m scripts.agrees fresh/mini                      # with results/mini
    python -m scripts.agrees fresh/mini --reference other/mini

What is computed from recordings alone must be the same to `TOLERANCE`. What rests on a codebook, a vocoder or
a probe that was fitted may differ on another processor, whose last bits thousands of steps magnify
(`benchmark/arithmetic.py`): it must lie within `FITTED_TOLERANCE` or have an interval that meets the
reference's. Status and the number of utterances must be equal. Exit status 1 where something is not, with a
list.
"""

import argparse
import sys
from pathlib import Path

from benchmark.errors import UserError
from benchmark.results.row import Row
from benchmark.results.store import ResultsStore

TOLERANCE = 1e-3
"""Of the number, or in its unit where it is below 1."""
FITTED_TOLERANCE = 0.02
"""The same, where something was fitted."""
FITTED = ("codebooks/", "vocoders/", "probes/")
"""Artifacts that arithmetic moves."""


def disagreements(fresh: list[Row], reference: list[Row]) -> list[str]:
    """A sentence for each row that differs, or that the reference has not."""
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
    fitted = any(name.startswith(FITTED) for name in row.artifacts)
    counts, expected = (row.n_scored, row.n_failed), (of.n_scored, of.n_failed)
    if counts != expected and not (fitted and sum(counts) == sum(expected)):
        return f"{row.n_scored} scored, {row.n_failed} failed and not {of.n_scored}, {of.n_failed}"
    if row.value is None or of.value is None:
        return "" if row.value == of.value else f"{row.value} and not {of.value}"
    if _near(row, of, FITTED_TOLERANCE if fitted else TOLERANCE) or (fitted and _meet(row, of)):
        return ""
    return f"{_number(row)} and not {_number(of)}"


def _near(row: Row, of: Row, tolerance: float = TOLERANCE) -> bool:
    if row.value is None or of.value is None:
        return row.value == of.value
    return abs(row.value - of.value) <= tolerance * max(1.0, abs(of.value))


def _meet(row: Row, of: Row) -> bool:
    if row.lo is None or row.hi is None or of.lo is None or of.hi is None:
        return False
    return row.lo <= of.hi and of.lo <= row.hi


def _number(row: Row) -> str:
    return f"{row.value:.6g}" + ("" if row.lo is None or row.hi is None else f" [{row.lo:.4g}, {row.hi:.4g}]")


def main(arguments: list[str] | None = None) -> int:
    """Print what differs; 1 where anything does."""
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
    known = {_name(row): row for row in reference}
    same = sum(_name(row) in known and _near(row, known[_name(row)]) for row in fresh)
    agreed = len(fresh) - len(found)
    print("\n".join([*found, f"{agreed} of {len(fresh)} rows agree, {same} of them to {TOLERANCE}"]))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
