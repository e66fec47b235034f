"""Write the tables, figures and page of a results folder again, from the rows that are there."""

import argparse
import sys
from pathlib import Path

from benchmark.errors import UserError
from benchmark.results.report.tables import OVERVIEW
from benchmark.results.report.write import write_report


def main(arguments: list[str] | None = None) -> int:
    """Write the report of a results folder and print its tables; return 1 after a mistake of the user."""
    parser = argparse.ArgumentParser(prog="python -m benchmark.results.report", description=__doc__)
    parser.add_argument("folder", type=Path, help="results of one profile, such as results/mini")
    folder = parser.parse_args(arguments).folder
    try:
        made = write_report(folder)
    except UserError as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    tables = [folder / "tables" / f"{name}.md" for name in sorted(made, key=OVERVIEW.__eq__)]
    sys.stdout.write("\n".join(path.read_text(encoding="utf-8") for path in tables))
    sys.stdout.write(f"\ntables: {folder / 'tables'} (md, csv, tex)\nreport: {folder / 'report.html'}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
