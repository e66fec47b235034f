"""Compare two tokenizers, or two results folders, pair by pair: differences, intervals, p-values.

    speech-token-benchmark compare mel_rvq whisper_kmeans             # of results/mini
    speech-token-benchmark compare mimi mimi+vocoder --results results/libri --task reconstruction
    speech-token-benchmark compare old/results/mini results/mini      # every tokenizer with itself

Two rows are compared if their profile, corpus, split, metric and definition are the same. All other rows are
listed with the reason. The exit status is 1 if no rows can be compared.
"""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from benchmark.errors import UserError
from benchmark.jobs.commands.parser import command_parser

if TYPE_CHECKING:
    from benchmark.results.report.compare import Side
    from benchmark.results.store import ResultsStore


def main(arguments: Sequence[str]) -> int:
    """Print the comparison; return the exit status.

    Raises: UserError for a mistake of the user's, or if no rows can be compared.
    """
    parser = command_parser("compare", __doc__)
    parser.add_argument("a", help="a tokenizer as the tables call it, or a results folder")
    parser.add_argument("b", help="what it is compared with: the same kind of thing")
    parser.add_argument("--results", type=Path, default=Path("results/mini"), help="folder of the tokenizers")
    parser.add_argument("--task", action="append", default=[], help="only this task; may be repeated")
    parser.add_argument("--metric", action="append", default=[], help="only this metric; may be repeated")
    parser.add_argument("--tex", action="store_true", help="LaTeX in place of Markdown")
    given = parser.parse_args(arguments)
    # Imported here: --help needs no statistics.
    from benchmark.results.report.compare import compare
    from benchmark.results.report.comparison_table import comparison_grid
    from benchmark.results.report.formats import to_latex, to_markdown
    from benchmark.results.store import ResultsStore

    names = given.a, given.b
    folders = [(Path(name) / "rows").is_dir() for name in names]
    if folders[0] != folders[1]:
        raise UserError(f"{given.a} and {given.b}: one is a results folder, the other is not")
    if folders[0]:
        first, second = (_side(ResultsStore(name), name, None, given.task, given.metric) for name in names)
    else:
        store = ResultsStore(given.results)
        first, second = (_side(store, name, name, given.task, given.metric) for name in names)
    grid = comparison_grid(compare(first, second, by_tokenizer=folders[0]))
    sys.stdout.write(to_latex(grid) if given.tex else to_markdown(grid))
    return 0


def _side(
    store: "ResultsStore", name: str, label: str | None, tasks: list[str], metrics: list[str]
) -> "Side":
    """Return one side of the comparison; without a label, the side has all tokenizers of the store."""
    from benchmark.results.report.compare import Side, pick

    rows = store.rows() if label is None else pick(store.rows(), label, str(store.root))
    rows = [row for row in rows if not tasks or row.task in tasks]
    return Side(name, [row for row in rows if not metrics or row.metric in metrics], store.reader())
