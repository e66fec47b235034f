"""Notes on numbers that rest on a part of the test set: shares of frames, and the utterances in common."""

from collections.abc import Mapping
from functools import reduce

import pandas as pd

from benchmark.results.report.cells import Cell, combine
from benchmark.results.report.layouts import counts_of, shown_as
from benchmark.results.report.paired_scores import Utterances, scores_of
from benchmark.results.report.tables import Table
from benchmark.results.row import Row


def survivor_notes(table: Table, utterances: Utterances) -> list[str]:
    """Return the notes of a table on numbers that do not rest on the whole test set."""
    return [*_qualifying(table), *_common_subsets(table, utterances)]


def _qualifying(table: Table) -> list[str]:
    """Print the metrics that qualify the number of a column, such as the share of frames behind GPE."""
    notes = []
    names = {row.metric: row.display["note_of"] for row in table.rows if row.display.get("note_of")}
    for metric, column in names.items():
        cells: dict[str, list[Row]] = {}
        for row in table.rows:
            if row.metric == metric and row.value is not None:
                cells.setdefault(row.label, []).append(row)
        if column in table.metrics and cells:
            shown = shown_as(metric, table.rows)
            told = (
                f"{name} {combine(rows).value:.{shown.decimals}f}{_space(shown.unit)}"
                for name, rows in cells.items()
            )
            notes.append(
                f"Behind {table.metrics[column].label}: {', '.join(told)} ({shown.definition.rstrip('.')})."
            )
    return notes


def _space(unit: str) -> str:
    return f" {unit}" if unit else ""


def _common_subsets(table: Table, utterances: Utterances) -> list[str]:
    """Print each column again over the utterances that all its tokenizers have, where they differ.

    A mean over the utterances that a tokenizer can be scored on favours a tokenizer that fails on hard ones.
    """
    notes = []
    corpora = sorted({line.corpus for line in table.lines})
    for metric, shown in table.metrics.items():
        for corpus in corpora:
            lines = [line for line in table.lines if line.corpus == corpus]
            cells = {
                line.tokenizer: line.cells[metric] for line in lines if line.cells[metric].status == "ok"
            }
            if len(cells) < 2 or not any(cell.missing for cell in cells.values()):
                continue
            count, values = _in_common(cells, utterances)
            if values:
                where = f" on {'/'.join(corpus)}" if len(corpora) > 1 else ""
                told = ", ".join(f"{name} {value:.{shown.decimals}f}" for name, value in values.items())
                notes.append(
                    f"{shown.label}{where} on the {count} utterances that all tokenizers have: {told}."
                )
    return notes


def _in_common(cells: Mapping[str, Cell], utterances: Utterances) -> tuple[int, dict[str, float]]:
    """Return the number of utterances that all cells have a score of, and each cell's number over these.

    The values are empty if all have the same utterances, none is in common, or scores are missing.
    """
    scores = {name: scores_of(cell, utterances) for name, cell in cells.items()}
    found = {name: frames for name, frames in scores.items() if frames is not None}
    if len(found) < len(cells):
        return 0, {}
    scored = [(side.above * side.below).dropna().index for side in found.values()]
    common = reduce(pd.Index.intersection, scored)
    if not len(common) or all(len(index) == len(common) for index in scored):
        return 0, {}
    values = {}
    for name, frames in found.items():
        row = cells[name].rows[0]
        scale = 100.0 if counts_of(row.metric.partition("/")[0], [row]) else 1.0
        by_seed = frames.above.loc[common].sum() / frames.below.loc[common].sum()
        values[name] = float(scale * by_seed.mean())
    return len(common), values
