"""Table of published numbers beside ours, with its notes and its file for programs."""

import csv
import io

from benchmark.results.published.judge import Judged
from benchmark.results.published.names import read_sources
from benchmark.results.published.reproduction import Ranking, Reproduction
from benchmark.results.report.formats import digits, harmless
from benchmark.results.report.grid import entry
from benchmark.results.report.layouts import shown_as
from benchmark.results.report.printed import DASH, Entry, Grid

HEADER = [
    *("source", "tokenizer", "published as", "task", "metric"),
    *("published", "ours", "difference", "tolerance"),
    *("verdict", "why"),
]
COLUMNS = (
    *(
        "source",
        "table",
        "tokenizer",
        "published_tokenizer",
        "published_variant",
        "dataset",
        "task",
        "metric",
    ),
    *("unit", "published", "published_sd", "our_metric", "our_dataset", "our_split", "ours", "lo", "hi"),
    *("compared_published", "compared_ours", "difference", "least", "greatest", "verdict", "why", "reason"),
    *("published_definition", "our_definition", "evidence", "page"),
)
"""Columns of the CSV file."""


def reproduction_grid(found: Reproduction) -> Grid:
    """Lay out every verdict as a line, the checks that need no tokenizer first."""
    footnotes: dict[str, int] = {}
    counts = ", ".join(f"{count} {verdict}" for verdict, count in found.counts.items())
    return Grid(
        title=f"Published and reproduced, profile {found.profile}: {counts}",
        num_names=5,
        header=list(HEADER),
        body=[_line(each, footnotes) for each in found.judged],
        notes=_notes(found),
        footnotes=list(footnotes),
        last_names=2,
    )


def _line(judged: Judged, footnotes: dict[str, int]) -> list[Entry]:
    number, band = judged.published, judged.band
    printed = " ".join(filter(None, (number.tokenizer, number.variant)))
    unit = f" ({number.unit})" if number.unit else ""
    texts = number.source, judged.config or DASH, printed, number.task.replace("_", " "), number.metric + unit
    mark = footnotes.setdefault(band.reason, len(footnotes) + 1) if band else None
    return [
        *map(Entry, texts),
        Entry(number.value, f"±{number.sd}" if number.sd else ""),
        _ours(judged),
        _difference(judged),
        Entry(band.tolerance.words(judged.pair[0]) if band and judged.pair else DASH, mark=mark),
        Entry(judged.verdict, bold=judged.verdict == "differs"),
        Entry(judged.why or DASH),
    ]


def _ours(judged: Judged) -> Entry:
    if judged.ours is None or judged.row is None:
        return Entry(DASH)
    return entry(judged.ours, shown_as(judged.row.metric, judged.ours.rows))


def _difference(judged: Judged) -> Entry:
    """Print the difference; where differences to the recordings were compared, these as well."""
    if judged.difference is None:
        return Entry(DASH)
    digits = max(judged.published.decimals, 1)
    text = f"{judged.difference:+z.{digits}f}"
    if judged.pair is None or judged.band is None or not judged.band.difference:
        return Entry(text)
    published, ours = judged.pair
    return Entry(text, f"(to the recordings: {published:+z.{digits}f} published, {ours:+z.{digits}f} ours)")


def _notes(found: Reproduction) -> list[str]:
    known = read_sources()
    notes = [
        "Verdicts: agrees, our number lies within the tolerance of the published one; differs, it does not; "
        "not comparable, the row says of itself that something else was measured; missing, there is no row.",
        "Difference: ours minus published. Tolerances are set by source, metric and kind of tokenizer, from "
        "what published sources say of each other, and never from our numbers. [lo, hi]: interval of ours.",
        "Checks on the recordings themselves come first: they need no tokenizer.",
        *(f"{name}: {known[name].cite}, {known[name].page}." for name in found.sources),
    ]
    notes += [_ranks(each) for each in found.rankings if each.n]
    if found.unpublished:
        notes.append(f"No published number here: {', '.join(found.unpublished)}.")
    return notes + [f"{fault}." for fault in found.faults]


def _ranks(ranking: Ranking) -> str:
    """Describe the rank correlation of a column in words."""
    source, table, dataset, task, metric = ranking.column
    name = f"Ranks by {metric}, {task.replace('_', ' ')}, {source} {table}, {dataset}"
    told = f"{ranking.n} tokenizers with both numbers, {ranking.n_compared} of them comparable"
    if ranking.correlation is None:
        return f"{name}: too few to correlate: {told}."
    rho, lo, hi, _ = ranking.correlation
    return f"{name}: Spearman {rho:.2f} [{lo:.2f}, {hi:.2f}], {told}."


def reproduction_csv(found: Reproduction) -> str:
    """Format every verdict as a line of CSV; numbers have six significant digits."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(_values(each) for each in found.judged)
    return text.getvalue()


def _values(judged: Judged) -> list[str]:
    number, ours, row, band = judged.published, judged.ours, judged.row, judged.band
    pair = judged.pair or (None, None)
    bounds = band.tolerance.bounds(pair[0]) if band and pair[0] is not None else (None, None)
    named = number.source, number.table, judged.config, number.tokenizer, number.variant, number.dataset
    mine = (row.metric, row.dataset, row.split) if row else ("", "", "")
    reasons = judged.why, band.reason if band else "", number.definition, row.definition if row else ""
    return [
        *map(harmless, (*named, number.task, number.metric, number.unit)),
        *(number.value, number.sd),
        *map(harmless, mine),
        *(map(digits, (ours.value, ours.lo, ours.hi)) if ours else ("", "", "")),
        *map(digits, (*pair, judged.difference, *bounds)),
        judged.verdict,
        *map(harmless, (*reasons, number.evidence, read_sources()[number.source].page)),
    ]
