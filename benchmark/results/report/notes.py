"""Notes below a table: how to read it, what its numbers mean, and where they come from."""

from collections.abc import Iterable, Mapping, Sequence

from benchmark.metrics.conditions import CONDITIONS
from benchmark.metrics.statistics.significance import LEVEL
from benchmark.results.provenance import doubt
from benchmark.results.report.best_in_column import Contest
from benchmark.results.report.cells import MAX_MISSING_SHARE, Cell
from benchmark.results.report.printed import DASH, SEEDS, spread
from benchmark.results.report.rank_correlation import rank_correlations
from benchmark.results.report.side_information import prompts_note
from benchmark.results.report.tables import OVERVIEW, Table
from benchmark.types import SAMPLE_RATE

TESTS = (
    "The tests exchange tokenizers within speakers: their hypothesis is that tokenizers are interchangeable, "
    "not that means are equal. Where trainings stand behind a number, a t test over speakers and seeds must "
    "agree."
)
"""Explanation of p-values, for notes below tables."""
COUNTS = (
    "n: utterances scored (fewest–most over the metrics); failed: utterances without a score as decoding "
    "or scoring failed (most). Footnotes also count those that abstained: the metric is not defined for them."
)


def several_seeds(table: Table) -> bool:
    """Tell whether several trainings stand behind any number of a table."""
    return any(line.n_trainings[1] > 1 for line in table.lines)


def counts_note(cells: Mapping[str, Iterable[Cell]]) -> str:
    """Return the note with the utterances behind the numbers of each group of cells."""
    groups = {name: [c.n_scored for c in group if c.status in ("ok", "NC")] for name, group in cells.items()}
    told = ", ".join(f"{name} {spread(counts)}" for name, counts in groups.items() if counts)
    return f"Utterances behind a number, fewest–most: {told}."


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
    notes += _whole_bits(table)
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
    notes += _heard(table)
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


def _whole_bits(table: Table) -> list[str]:
    """Return the bitrates that published tables state otherwise, as they give every code whole bits."""
    found = {row.label: row.notes["whole_bit_rate"] for row in table.rows if row.notes.get("whole_bit_rate")}
    told = ", ".join(f"{name} {rate / 1000:.4g}" for name, rate in sorted(found.items()))
    return [f"kbps as published tables count, F · ⌈log2 V⌉: {told}."] if told else []


def _heard(table: Table) -> list[str]:
    """Return the note with the tokenizers that heard more than 16 kHz; empty where none did."""
    rates: dict[int, set[str]] = {}
    for row in table.rows:
        if (rate := row.notes.get("input_rate", SAMPLE_RATE)) > SAMPLE_RATE:
            rates.setdefault(rate, set()).add(row.label)
    told = "; ".join(f"{', '.join(sorted(rates[rate]))} {rate / 1000:g} kHz" for rate in sorted(rates))
    return [f"Recordings as heard by tokenizers: {told}; the others 16 kHz."] if told else []


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
