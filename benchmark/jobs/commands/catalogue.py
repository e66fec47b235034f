"""Print the facts of every tokenizer, or what each metric means, from the configs and their classes.

    speech-token-benchmark catalogue tokenizers
    speech-token-benchmark catalogue metrics

Nothing is downloaded and no weights are loaded. The sheet is written to the results folder as well, as
TOKENIZERS.md or METRICS.md; that of tokenizers without what this machine has of them.
"""

from collections.abc import Sequence

from benchmark.jobs.commands.parser import command_parser

SHEETS = ("tokenizers", "metrics")


def main(arguments: Sequence[str]) -> int:
    """Print and write one sheet.

    Raises: UserError naming the yaml that is wrong.
    """
    parser = command_parser("catalogue", __doc__)
    parser.add_argument("sheet", choices=SHEETS)
    sheet = parser.parse_args(arguments).sheet
    # Imported here: --help needs none of the models' libraries.
    from benchmark.jobs.catalogue import metrics, tokenizers

    {"tokenizers": tokenizers.write, "metrics": metrics.write}[sheet]()
    return 0
