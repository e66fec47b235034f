"""Write the tables, figures and report.html of a results folder again, from its rows.

speech-token-benchmark report results/mini
"""

import sys
from collections.abc import Sequence
from pathlib import Path

from benchmark.jobs.commands.parser import command_parser


def main(arguments: Sequence[str]) -> int:
    """Write the report and print the tables.

    Raises: UserError for a folder without rows, or with rows that make no table.
    """
    parser = command_parser("report", __doc__)
    parser.add_argument("folder", type=Path, help="results of one profile, such as results/mini")
    folder = parser.parse_args(arguments).folder
    # Imported here: --help needs none of the libraries that draw.
    from benchmark.results.report.tables import OVERVIEW
    from benchmark.results.report.write import write_report

    made = write_report(folder)
    tables = [folder / "tables" / f"{name}.md" for name in sorted(made, key=OVERVIEW.__eq__)]
    sys.stdout.write("\n".join(path.read_text(encoding="utf-8") for path in tables))
    sys.stdout.write(f"\ntables: {folder / 'tables'} (md, csv, tex)\nreport: {folder / 'report.html'}\n")
    return 0
