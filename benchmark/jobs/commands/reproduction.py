"""Show published numbers beside those of a results folder: difference, tolerance and verdict of each.

    speech-token-benchmark reproduction                                   # the survey, of results/survey
    speech-token-benchmark reproduction results/libri source=survey,llasa
    speech-token-benchmark reproduction results/survey source=all --numbers mine.csv

source=NAMES: papers and boards whose numbers are shown, separated by commas, or all; an unknown name is
answered with the known ones. A number agrees, differs, is missing, or is not comparable, with the reason in
words. The table goes to tables/reproduction.md, .csv and .tex and to a section of report.html. The exit
status is 0 whatever the verdicts are.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

from benchmark.errors import UserError
from benchmark.jobs.commands.parser import command_parser

SOURCE = "source="
FOLDER = Path("results/survey")


def main(arguments: Sequence[str]) -> int:
    """Write the report with the published numbers, and print their table.

    Raises: UserError for a folder without rows, an unknown source, or an unusable file of numbers.
    """
    parser = command_parser("reproduction", __doc__)
    parser.add_argument("words", nargs="*", metavar="folder|source=…", help="results of one profile; sources")
    parser.add_argument("--numbers", type=Path, help="another file of published numbers, of the same columns")
    given = parser.parse_intermixed_args(arguments)
    folders = [word for word in given.words if not word.startswith(SOURCE)]
    if len(folders) > 1:
        raise UserError(f"one results folder at a time, not {' '.join(folders)}")
    named = [word.removeprefix(SOURCE) for word in given.words if word.startswith(SOURCE)]
    sources = [name.strip() for text in named for name in text.split(",") if name.strip()] or ["survey"]
    folder = Path(folders[0]) if folders else FOLDER
    # Imported here: --help needs none of the libraries that draw.
    from benchmark.results.published.numbers import FILE
    from benchmark.results.report.content import REPRODUCTION
    from benchmark.results.report.write import write_report

    write_report(folder, sources, given.numbers or FILE)
    path = folder / "tables" / f"{REPRODUCTION}.md"
    sys.stdout.write(path.read_text(encoding="utf-8"))
    sys.stdout.write(f"\ntables: {path.with_suffix('')} (md, csv, tex)\nreport: {folder / 'report.html'}\n")
    return 0
