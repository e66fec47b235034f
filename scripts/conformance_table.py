"""Print the table of codes compared with other implementations, from the counts that the tests recorded.

    python -m scripts.conformance_table ROWS
    python -m scripts.conformance_table ROWS --out docs/reference/conformance.md

ROWS is a file of JSON lines; the tests append to the file if the variable CONFORMANCE_ROWS names it. `make
test-conformance` runs the tests and this script, and writes the page if OUT= names a file. The exit status is
1 if there are no rows.
"""

import argparse
import json
import sys
from pathlib import Path

from benchmark.storage.atomic_files import write_atomic

HEAD = """# Codes compared with other implementations

Our codes and those of another implementation that holds the same weights, for the same speech: the two
utterances in the repository and, where it lies beside the checkout, one of each speaker of LibriSpeech's
test-other. A peer with a version is a package that ran beside ours; one with a commit is a repository, whose
codes are kept with the tests. Unless a note says that the weights are published ones, they are random: in the
published file format and read by the loader of published files, at the published rates and codebook sizes, in
narrower layers. So this shows that the arithmetic is the same, not that a published file loads.

Written by `make test-conformance OUT=docs/reference/conformance.md`.

"""
COLUMNS = ("tokenizer", "peer", "utterances", "codes compared", "codes different", "note")
KEYS = ("tokenizer", "peer", "utterances", "compared", "different", "note")


def table(rows: list[dict[str, str | int]]) -> str:
    """Format one line per tokenizer and peer in alphabetical order, and a line of sums."""
    lines = [COLUMNS, ("---", "---", "--:", "--:", "--:", "---")]
    lines += [
        tuple(str(row[key]).replace("|", "\\|") for key in KEYS)
        for row in sorted(rows, key=lambda row: (row["tokenizer"], row["peer"], row["note"]))
    ]
    sums = (str(sum(int(row[key]) for row in rows)) for key in ("utterances", "compared", "different"))
    names = len({row["tokenizer"] for row in rows})
    lines.append((f"{names} tokenizers", "", *sums, ""))
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def main(argv: list[str] | None = None) -> int:
    """Read the rows and print the page, or write the page to the file of `--out`; return 1 without rows."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("rows", type=Path)
    parser.add_argument("--out", type=Path, help="Markdown file to write in place of printing")
    arguments = parser.parse_args(argv)
    text = arguments.rows.read_text() if arguments.rows.is_file() else ""
    rows = [json.loads(line) for line in text.splitlines()]
    if not rows:
        print(f"{arguments.rows} has no rows: no test compared codes", file=sys.stderr)
        return 1
    page = HEAD + table(rows)
    if arguments.out is None:
        print(page, end="")
    else:
        write_atomic(arguments.out, page)
        print(f"{len(rows)} comparisons in {arguments.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
