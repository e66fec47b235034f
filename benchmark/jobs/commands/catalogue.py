"""Print the facts of every tokenizer, or the meaning of each metric, from the configs and their classes.

    speech-token-benchmark catalogue tokenizers
    speech-token-benchmark catalogue metrics

Nothing is downloaded and no weights are loaded. `--out` writes the page to a file instead of printing it. The
page of tokenizers then lacks the columns about this machine.
"""

from collections.abc import Sequence
from pathlib import Path

from benchmark.jobs.commands.parser import command_parser

SHEETS = ("tokenizers", "metrics")


def main(arguments: Sequence[str]) -> int:
    """Print or write one page.

    Raises: UserError with the name of a yaml that nothing can be built from.
    """
    parser = command_parser("catalogue", __doc__)
    parser.add_argument("sheet", choices=SHEETS)
    parser.add_argument("--out", type=Path, help="Markdown file to write")
    given = parser.parse_args(arguments)
    # Imported here: --help needs none of the models' libraries.
    from benchmark.jobs.catalogue import metrics, tokenizers

    {"tokenizers": tokenizers.write, "metrics": metrics.write}[given.sheet](given.out)
    return 0
