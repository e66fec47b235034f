"""Write the table of codes compared with other implementations, from what the tests counted.

    python -m scripts.conformance_table ROWS results/CONFORMANCE.md

ROWS is the file of JSON lines that the tests append to where CONFORMANCE_ROWS names it; `make
test-conformance` does both. Exit status 1 when there is nothing to write.
"""

import argparse
import json
import sys
from pathlib import Path

HEAD = """# Codes compared with other implementations

Our codes and those of another implementation that holds the same weights, for the same speech: the two
utterances in the repository and, where it lies beside the checkout, one of each speaker of LibriSpeech's
test-other. A peer with a version is a package that ran beside ours; one with a commit is a repository, whose
codes are kept with the tests. Unless a note says that the weights are published ones, they are random: in the
published file format and read by the loader of published files, at the published rates and codebook sizes, in
narrower layers. So this shows that the arithmetic is the same, not that a published file loads.

Written by `make test-conformance`.

"""
COLUMNS = ("tokenizer", "peer", "utterances", "codes compared", "codes different", "note")
KEYS = ("tokenizer", "peer", "utterances", "compared", "different", "note")


def table(rows: list[dict[str, str | int]]) -> str:
    """Format one line per tokenizer and peer, in alphabetical order, and the sums."""
    lines = [COLUMNS, ("---", "---", "--:", "--:", "--:", "---")]
    lines += [
        tuple(str(row[key]).replace("|", "\\|") for key in KEYS)
        for row in sorted(rows, key=lambda row: (row["tokenizer"], row["peer"], row["note"]))
    ]
    sums = (str(sum(int(row[key]) for row in rows)) for key in ("utterances", "compared", "different"))
    names = len({row["tokenizer"] for row in rows})
    lines.append((f"{names} tokenizers", "", *sums, ""))
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def main() -> int:
    """Read the rows, write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("rows", type=Path)
    parser.add_argument("page", type=Path)
    arguments = parser.parse_args()
    text = arguments.rows.read_text() if arguments.rows.is_file() else ""
    rows = [json.loads(line) for line in text.splitlines()]
    if not rows:
        print(f"{arguments.rows} has no rows: no test compared codes", file=sys.stderr)
        return 1
    arguments.page.write_text(HEAD + table(rows))
    print(f"{len(rows)} comparisons in {arguments.page}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
