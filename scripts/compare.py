"""Compare two tokenizers, or two results folders, pair by pair: differences, intervals, p-values.

    python -m scripts.compare mel_rvq whisper_kmeans                  # of results/mini
    python -m scripts.compare mimi mimi+vocoder --results results/libri --task reconstruction
    python -m scripts.compare old/results/mini results/mini           # every tokenizer with itself

Only what is comparable is compared: the same profile, corpus, split, metric and definition. What is not is
listed with its reason. Exit status 1 when nothing is.
"""

import argparse
import sys
from pathlib import Path

from benchmark.errors import UserError
from benchmark.results.report.compare import Side, compare, comparison_grid, pick
from benchmark.results.report.formats import to_latex, to_markdown
from benchmark.results.store import ResultsStore


def side(store: ResultsStore, name: str, label: str | None, tasks: list[str], metrics: list[str]) -> Side:
    """One side of the comparison; all tokenizers of the store without a label."""
    rows = store.rows() if label is None else pick(store.rows(), label, str(store.root))
    rows = [row for row in rows if not tasks or row.task in tasks]
    return Side(name, [row for row in rows if not metrics or row.metric in metrics], store.reader())


def main(arguments: list[str] | None = None) -> int:
    """Print the comparison; 1 after a mistake of the user's, or when nothing is comparable."""
    parser = argparse.ArgumentParser(
        "python -m scripts.compare", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("a", help="a tokenizer as the tables call it, or a results folder")
    parser.add_argument("b", help="what it is compared with: the same kind of thing")
    parser.add_argument("--results", type=Path, default=Path("results/mini"), help="folder of the tokenizers")
    parser.add_argument("--task", action="append", default=[], help="only this task; may be repeated")
    parser.add_argument("--metric", action="append", default=[], help="only this metric; may be repeated")
    parser.add_argument("--tex", action="store_true", help="LaTeX in place of Markdown")
    given = parser.parse_args(arguments)
    try:
        folders = [(Path(name) / "rows").is_dir() for name in (given.a, given.b)]
        if folders[0] != folders[1]:
            raise UserError(f"{given.a} and {given.b}: one is a results folder, the other is not")
        if folders[0]:
            pair = [
                side(ResultsStore(name), name, None, given.task, given.metric) for name in (given.a, given.b)
            ]
        else:
            store = ResultsStore(given.results)
            pair = [side(store, name, name, given.task, given.metric) for name in (given.a, given.b)]
        grid = comparison_grid(compare(pair[0], pair[1], by_tokenizer=folders[0]))
    except UserError as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    sys.stdout.write(to_latex(grid) if given.tex else to_markdown(grid))
    return 0


if __name__ == "__main__":
    sys.exit(main())
