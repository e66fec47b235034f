"""A table as people read it, before any markup: printed numbers, best values, footnotes."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from benchmark.metrics.conditions import CONDITIONS
from benchmark.metrics.reported import MetricInfo
from benchmark.metrics.statistics.significance import LEVEL
from benchmark.results.provenance import doubt
from benchmark.results.report.best_in_column import Contest
from benchmark.results.report.cells import MAX_MISSING_SHARE, Cell, Line
from benchmark.results.report.rank_correlation import rank_correlations
from benchmark.results.report.side_information import prompts_note
from benchmark.results.report.tables import OVERVIEW, Table

ARROWS = {True: " ↑", False: " ↓", None: ""}
DASH = "–"
SEEDS = "seeds"
"""Heading of the column with the number of trainings, shown where a number rests on several."""
BAG = "bag of codes"
BAG_REMARK = f"{BAG}: codes without their order, a reference here and no floor"


@dataclass(frozen=True)
class Entry:
    """Text of one cell: `value` may be bold, `rest` follows in plain type, `mark` numbers a footnote."""

    value: str
    rest: str = ""
    bold: bool = False
    mark: int | None = None


@dataclass(frozen=True)
class Grid:
    """A printable table: the first `num_names` and last `last_names` columns hold words, others numbers."""

    title: str
    num_names: int
    header: list[str]
    body: list[list[Entry]]
    notes: list[str]
    footnotes: list[str]
    last_names: int = 0
    groups: list[tuple[str, int]] = field(default_factory=list)
    """Headings above the header, each with the number of columns that it spans; they may be empty."""

    @property
    def is_number(self) -> list[bool]:
        """For each column, whether it holds numbers, which are aligned to the right."""
        width = len(self.header)
        return [self.num_names <= place < width - self.last_names for place in range(width)]


NO_CONTEST = Contest()
TESTS = (
    "The tests exchange tokenizers within speakers: their hypothesis is that tokenizers are interchangeable, "
    "not that means are equal. Where trainings stand behind a number, a t test over speakers and seeds must "
    "agree."
)
"""Explanation of p-values, for notes below tables."""
COUNTS = (
    "n: utterances scored (fewest–most over the metrics); failed: utterances without a score as decoding "
    "or scoring failed (most). Footnotes also count those that a metric is not defined for."
)


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


def several_seeds(table: Table) -> bool:
    """Tell whether several trainings stand behind any number of a table."""
    return any(line.n_trainings[1] > 1 for line in table.lines)


def seeds_entry(line: Line) -> Entry:
    """Print the number of trainings behind the numbers of a line, or a dash where there is none."""
    return Entry(spread(line.n_trainings) if line.n_trainings[1] else DASH)


def spread(counts: Iterable[int]) -> str:
    """Return the least and the greatest of some counts: "53–60", or "60" if they are equal."""
    ordered = sorted(counts)
    return "–".join(map(str, dict.fromkeys((ordered[0], ordered[-1]))))


def counts_note(cells: Mapping[str, Iterable[Cell]]) -> str:
    """Return the note with the utterances behind the numbers of each group of cells."""
    groups = {name: [c.n_scored for c in group if c.status in ("ok", "NC")] for name, group in cells.items()}
    told = ", ".join(f"{name} {spread(counts)}" for name, counts in groups.items() if counts)
    return f"Utterances behind a number, fewest–most: {told}."


def heading(definition: MetricInfo) -> str:
    """Return label, unit and the direction of better values: "WER (%) ↓"."""
    unit = f" ({definition.unit})" if definition.unit else ""
    return f"{definition.label}{unit}{ARROWS[definition.higher_is_better]}"


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


def table_notes(table: Table, contest: Contest, survivors: Sequence[str] = ()) -> list[str]:
    """Return the notes below a table: reading help, definitions of metrics, sources of numbers."""
    statuses = {cell.status for line in table.lines for cell in line.cells.values()}
    ran_on = sorted({f"{row.task} on {row.dataset}/{row.split}" for row in table.rows})
    intervals = sorted({row.interval for row in table.rows if row.lo is not None})
    seeds = sorted({row.seed for row in table.rows})
    cells = {(row.label, row.dataset, row.split, row.task, row.metric) for row in table.rows}
    commits = sorted({row.git_commit or "unknown" for row in table.rows})
    notes = [f"Profile {table.profile}: {'; '.join(ran_on)}."]
    if table.name == OVERVIEW:
        notes.append("Hz: frames per second; kbps: nominal. Further metrics: the tasks' own tables.")
    else:
        notes += [
            "Hz: frames per second; books × entries: codebooks and the size of the largest; kbps: nominal.",
            COUNTS,
        ]
    if table.layout.by_condition:
        notes += _conditions(table)
    if intervals:
        notes.append(f"[lo, hi]: {' / '.join(text or '95 % interval' for text in intervals)}.")
    if len(cells) < len(table.rows):
        notes.append(
            f"Jobs run with several seeds of {seeds}: mean; Student's t interval over the seeds is added in "
            "squares to the interval over utterances."
        )
    if several_seeds(table):
        notes.append(f"±: standard deviation over trainings. {SEEDS}: trainings per number; {DASH}: none.")
    notes += prompts_note(table.rows)
    if floors := sorted(f"{line.tokenizer} of {line.base}" for line in table.lines if line.base):
        notes.append(f"Floors with the codes of another tokenizer in random order: {', '.join(floors)}.")
    if contest.columns:
        notes += _bold(contest)
    if contest.barred:
        notes.append(
            f"Not compared, as more than {MAX_MISSING_SHARE:.0%} of the utterances have no score: "
            f"{', '.join(contest.barred)}."
        )
    notes += survivors
    if "NC" in statuses:
        notes.append("NC: the training did not converge; the number in parentheses is not comparable.")
    if "partly NC" in statuses:
        notes.append(
            "2 of 3 seeds: the training of the others did not converge; such a number is never bold."
        )
    if "missing" in statuses:
        notes.append("missing: this job has not run.")
    if not table.layout.by_condition:
        for metric, definition in table.metrics.items():
            group = f"{metric.rpartition('.')[0]} " if table.name == OVERVIEW else ""
            notes.append(f"{group}{definition.label}: {_defined(table, metric)}.")
    if table.layout.compares_ranks:
        notes += rank_correlations(table)
    notes += [f"{name}: its rows come from differing configurations." for name in _inconsistent(table)]
    if dates := sorted({row.date for row in table.rows if row.date}):
        notes.append(f"Newest number: {dates[-1]} (UTC)" + (f", oldest: {dates[0]}." if dates[1:] else "."))
    notes.append(f"Commit: {', '.join(commits)}.")
    if why := doubt(row.git_commit for row in table.rows):
        notes.append(f"Warning: this table is {why}.")
    return notes


def _bold(contest: Contest) -> list[str]:
    """Explain bold numbers, and name the columns in which significance cannot be decided."""
    notes = [
        f"Bold: better than every other tokenizer in the column, p ≤ {LEVEL:g} in each paired test; topline, "
        f"classical and floor do not compete. {TESTS}"
    ]
    for reason, columns in contest.undecided.items():
        everything = columns == contest.columns
        notes.append(
            f"Nothing can be bold here: {reason}."
            if everything
            else f"Never bold: {'; '.join(columns)} ({reason})."
        )
    return notes


def _conditions(table: Table) -> list[str]:
    """Describe each condition with its number of utterances; a cell that scored fewer says so itself."""
    totals: dict[str, set[int]] = {}
    for row in table.rows:
        totals.setdefault(row.metric.partition("/")[2], set()).add(
            row.n_scored + row.n_failed + row.n_abstained
        )
    present = [name for name in CONDITIONS if name in totals]
    notes = [f"Metrics as in the table {'/'.join(table.layout.tasks)}, over the utterances of one condition."]
    for name in present:
        label, meaning = CONDITIONS[name]
        counts = "–".join(map(str, sorted(totals[name] - {0}))) or "none"
        notes.append(f"{label[0].upper()}{label[1:]}: {meaning} (utterances: {counts}).")
    return notes


def _defined(table: Table, metric: str) -> str:
    """Return the definition of a metric in the rows; if they disagree, each with its tokenizers."""
    users: dict[str, set[str]] = {}
    for row in (row for line in table.lines for row in line.cells[metric].rows):
        if row.status != "n/a":
            users.setdefault(row.definition.rstrip("."), set()).add(row.label)
    if not users:
        return table.metrics[metric].definition.rstrip(".") or DASH
    if len(users) == 1:
        return next(iter(users))
    return "; ".join(f"{text} [{', '.join(sorted(names))}]" for text, names in sorted(users.items()))


def _inconsistent(table: Table) -> list[str]:
    """Return the tokenizers whose rows in this table disagree about the tokenizer's own properties."""
    facts: dict[str, set[tuple[float | None, ...]]] = {}
    for row in table.rows:
        fact = (row.frame_rate, row.num_codebooks, row.codebook_size, row.bitrate)
        facts.setdefault(row.label, set()).add(fact)
    return sorted(name for name, found in facts.items() if len(found) > 1)
