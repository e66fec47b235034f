"""A table as people read it, before any markup: printed numbers, best values, footnotes."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from benchmark.metrics.conditions import CONDITIONS
from benchmark.metrics.reported import MetricInfo
from benchmark.results.report.best_in_column import LEVEL, MAX_MISSING_SHARE, Contest
from benchmark.results.report.cells import Cell, Line
from benchmark.results.report.rank_correlation import rank_correlations
from benchmark.results.report.tables import OVERVIEW, Table

ARROWS = {True: " ↑", False: " ↓", None: ""}
DASH = "–"


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
COUNTS = (
    "n: utterances scored (fewest–most over the metrics); failed: utterances without a score as decoding "
    "or scoring failed (most). Footnotes also count those that abstained: the metric is not defined for them."
)


def make_grid(table: Table, contest: Contest = NO_CONTEST, survivors: Sequence[str] = ()) -> Grid:
    """Print every number of a table to the digits of its metric, and collect the notes below the table.

    Args:
        table: Table to print.
        contest: Decides which numbers are bold; by default none is.
        survivors: Notes on numbers over a part of the test set, see `survivor_notes`.
    """
    has_decoder = any(line.decoder not in ("", "none") for line in table.lines)
    has_corpus = len({line.corpus for line in table.lines}) > 1
    footnotes: dict[str, int] = {}
    body = []
    for place, line in enumerate(table.lines):
        names = [line.tokenizer, line.kind]
        names += [line.decoder or DASH] * has_decoder + ["/".join(line.corpus)] * has_corpus
        entries = [Entry(text) for text in (*names, *_facts(line))]
        for metric, definition in table.metrics.items():
            text = footnote(line.cells[metric])
            mark = footnotes.setdefault(text, len(footnotes) + 1) if text else None
            entries.append(entry(line.cells[metric], definition, (place, metric) in contest.best, mark))
        low, high = line.scored
        entries += [Entry(str(low) if low == high else f"{low}–{high}"), Entry(str(line.n_failed))]
        body.append(entries)
    names = ["tokenizer", "kind", *["decoder"] * has_decoder, *["corpus"] * has_corpus]
    metrics = [heading(definition) for definition in table.metrics.values()]
    return Grid(
        title=f"{table.layout.title}, profile {table.profile}",
        num_names=len(names),
        header=[*names, "Hz", "books", "entries", "kbps", *metrics, "n", "failed"],
        body=body,
        notes=table_notes(table, contest, survivors),
        footnotes=list(footnotes),
    )


def heading(definition: MetricInfo) -> str:
    """Return label, unit and the direction of better values: "WER (%) ↓"."""
    unit = f" ({definition.unit})" if definition.unit else ""
    return f"{definition.label}{unit}{ARROWS[definition.higher_is_better]}"


def footnote(cell: Cell) -> str:
    """Return the remark that a cell needs, or an empty text if its number stands for itself."""
    if cell.status == "ok" and cell.missing:
        return cell.missing + (cell.reason and f": {cell.reason}")
    return "" if cell.status in ("ok", "missing") else cell.reason


def _facts(line: Line) -> list[str]:
    facts = (
        (line.frame_rate, ".6g"),
        (line.num_codebooks, "d"),
        (line.codebook_size, "d"),
        (line.bitrate_kbps, ".4g"),
    )
    return [DASH if fact is None else f"{fact:{digits}}" for fact, digits in facts]


def entry(cell: Cell, definition: MetricInfo, bold: bool = False, mark: int | None = None) -> Entry:
    """Print a cell: the number to the digits of its metric with its interval, or the word in its place."""
    number = None if cell.value is None else f"{cell.value:z.{definition.decimals}f}"
    if cell.status == "ok":
        bounds = [f"{x:z.{definition.decimals}f}" for x in (cell.lo, cell.hi) if x is not None]
        return Entry(str(number), f"[{', '.join(bounds)}]" if len(bounds) == 2 else "", bold, mark)
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
        notes.append(
            "Hz: frames per second; kbps: nominal. Counts and further metrics: the tasks' own tables."
        )
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
    return [*notes, f"Commit: {', '.join(commits)}."]


def _bold(contest: Contest) -> list[str]:
    """Explain bold numbers, and name the columns in which significance cannot be decided."""
    notes = [
        "Bold: better than every other tokenizer in the column by paired permutation tests over speakers, "
        f"p ≤ {LEVEL:g} after Holm's correction; topline, classical and floor do not compete."
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
