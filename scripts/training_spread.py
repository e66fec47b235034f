"""Measure how far numbers move between seeds, and store that beside a reference for `scripts.agrees`.

    RESULTS=seeds python -m benchmark sweep experiment=mini seed=0,1,2
    python -m scripts.training_spread seeds/mini results/reference/mini

Writes `spread.json` into the folder of the reference: the standard deviation over seeds of every trained
number that has two seeds or more.
"""

import argparse
import sys
from pathlib import Path

from benchmark.errors import UserError
from benchmark.results.store import ResultsStore
from benchmark.results.training_spread import FILE, TrainingSpread


def measure(seeds: Path, reference: Path) -> str:
    """Write the file; return a sentence on what it holds.

    Raises: UserError where the folders hold no rows, other profiles, or no number of several seeds.
    """
    rows, known = ResultsStore(seeds).rows(), ResultsStore(reference).rows()
    for folder, found in ((seeds, rows), (reference, known)):
        if not found:
            raise UserError(f"{folder} has no rows; give the folder of a profile, such as results/mini")
    if rows[0].profile != known[0].profile:
        raise UserError(
            f"{seeds} is of the profile {rows[0].profile!r} and {reference} of {known[0].profile!r}; "
            "a spread holds for its own profile alone"
        )
    spread = TrainingSpread.measure(rows)
    if not spread.measured:
        raise UserError(f"{seeds} has no trained number of two seeds; run its jobs with seed=0,1,2")
    spread.write(reference)
    tokenizers = sorted({one.tokenizer for one in spread.measured})
    return f"{reference / FILE}: {len(spread.measured)} numbers of {', '.join(tokenizers)}"


def main(arguments: list[str] | None = None) -> int:
    """Write the file; return 1 if that is not possible."""
    parser = argparse.ArgumentParser(
        "python -m scripts.training_spread",
        description=__doc__,
        formatter_class=argparse.RawTextHelpFormatter,
    )
    parser.add_argument("seeds", type=Path, help="a results folder with several seeds")
    parser.add_argument("reference", type=Path, help="the folder of the reference")
    given = parser.parse_args(arguments)
    try:
        print(measure(given.seeds, given.reference))
    except UserError as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
