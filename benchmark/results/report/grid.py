"""A table as people read it, before any markup: printed numbers, best values, footnotes."""

from collections.abc import Mapping, Sequence

from benchmark.metrics.reported import MetricInfo
from benchmark.results.report.best_in_column import Contest
from benchmark.results.report.cells import Cell, Line
from benchmark.results.report.notes import several_seeds, table_notes
from benchmark.results.report.printed import DASH, SEEDS, Entry, Grid, heading, spread
from benchmark.results.report.tables import Table

BAG = "bag of codes"
BAG_REMARK = f"{BAG}: codes without their order, a reference here and no floor"

NO_CONTEST = Contest()


def make_grid(table: Table, contest: Contest = NO_CONTEST, survivors: Sequence[str] = ()) -> Grid:
    """Print every number of a table to the digits of its metric, and collect the notes below the table.

    Args:
        table: Table to print.
        contest: Decides which numbers are bold; by default none is.
        survivors: Notes on numbers over a part of the test set, see `survivor_notes`.
    """
    has_decoder = any(line.decoder not in ("", "none") for line in table.lines)
    has_seeds = several_seeds(table)
    has_corpus = len({line.corpus for line in table.lines}) > 1
    footnotes: dict[str, int] = {}
    body = []
    for place, line in enumerate(table.lines):
        names = [line.tokenizer, role(line, table.metrics)]
        names += [line.decoder or DASH] * has_decoder + ["/".join(line.corpus)] * has_corpus
        entries = [*map(Entry, (*names, *_facts(line))), bitrate_entry(line, footnotes)]
        entries += number_entries(table, place, contest, footnotes)
        entries += [Entry(spread(line.scored)), Entry(str(line.n_failed))]
        entries += [seeds_entry(line)] * has_seeds
        body.append(entries)
    names = ["tokenizer", "kind", *["decoder"] * has_decoder, *["corpus"] * has_corpus]
    metrics = [heading(definition) for definition in table.metrics.values()]
    return Grid(
        title=f"{table.layout.title}, profile {table.profile}",
        num_names=len(names),
        header=[*names, "Hz", "books", "entries", "kbps", *metrics, "n", "failed", *[SEEDS] * has_seeds],
        body=body,
        notes=table_notes(table, contest, survivors),
        footnotes=list(footnotes),
    )


def seeds_entry(line: Line) -> Entry:
    """Print the number of trainings behind the numbers of a line, or a dash where there is none."""
    return Entry(spread(line.n_trainings) if line.n_trainings[1] else DASH)


def role(line: Line, metrics: Mapping[str, MetricInfo]) -> str:
    """Return the kind of a line; shuffled codes are a bag of codes where no column needs their order."""
    is_bag = line.base and all(definition.order_free for definition in metrics.values())
    return BAG if is_bag else line.kind


def bitrate_entry(line: Line, footnotes: dict[str, int]) -> Entry:
    """Print the bitrate in kbit/s, with a footnote about side information."""
    text = DASH if line.bitrate_kbps is None else f"{line.bitrate_kbps:.4g}"
    return Entry(text, mark=_mark(line.bitrate_remark, footnotes))


def number_entries(table: Table, place: int, contest: Contest, footnotes: dict[str, int]) -> list[Entry]:
    """Print the cells of one line, and add their remarks to the footnotes, which are numbered from 1."""
    line, entries = table.lines[place], []
    for metric, definition in table.metrics.items():
        cell = line.cells[metric]
        is_bag = bool(line.base) and definition.order_free and cell.status == "ok"
        text = "; ".join(filter(None, (footnote(cell), BAG_REMARK if is_bag else "")))
        bold = (place, metric) in contest.best
        entries.append(entry(cell, definition, bold, _mark(text, footnotes)))
    return entries


def _mark(text: str, footnotes: dict[str, int]) -> int | None:
    return footnotes.setdefault(text, len(footnotes) + 1) if text else None


def footnote(cell: Cell) -> str:
    """Return the remark that a cell needs, or an empty text if its number stands for itself."""
    if cell.status in ("NC", "failed", "n/a"):
        return cell.reason
    told = []
    if cell.status == "partly NC":
        told.append(f"mean of the {len(cell.rows)} of {cell.n_seeds} seeds that converged: {cell.reason}")
    elif cell.missing:
        told.append(cell.missing + (cell.reason and f": {cell.reason}"))
    return "; ".join([*told, *filter(None, [cell.remark])])


def _facts(line: Line) -> list[str]:
    facts = ((line.frame_rate, ".6g"), (line.num_codebooks, "d"), (line.codebook_size, "d"))
    return [DASH if fact is None else f"{fact:{digits}}" for fact, digits in facts]


def entry(cell: Cell, definition: MetricInfo, bold: bool = False, mark: int | None = None) -> Entry:
    """Print a cell: the number to the digits of its metric with its interval, or the word in its place."""
    number = None if cell.value is None else f"{cell.value:z.{definition.decimals}f}"
    if cell.status in ("ok", "partly NC"):
        bounds = [f"{x:z.{definition.decimals}f}" for x in (cell.lo, cell.hi) if x is not None]
        rest = [f"[{', '.join(bounds)}]"] if len(bounds) == 2 else []
        rest += [] if cell.spread is None else [f"±{cell.spread:.{definition.decimals}f}"]
        rest += [f"{len(cell.rows)} of {cell.n_seeds} seeds"] if cell.status == "partly NC" else []
        return Entry(str(number), " ".join(rest), bold, mark)
    if cell.status == "NC":
        return Entry("NC", f"({number})" if number else "", mark=mark)
    return Entry(DASH if cell.status == "n/a" else cell.status, mark=mark)
