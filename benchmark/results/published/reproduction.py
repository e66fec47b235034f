"""The published numbers of some sources beside the rows of a results folder: verdicts, ranks and remarks."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmark.errors import UserError, unknown
from benchmark.results.published.conditions import Evidence
from benchmark.results.published.judge import VERDICTS, Judge, Judged, columns, counterpart_of
from benchmark.results.published.names import read_sources
from benchmark.results.published.numbers import FILE, Published, read_numbers
from benchmark.results.published.ranks import RankCorrelation, rank_correlation
from benchmark.results.published.rules import Rules, read_rules
from benchmark.results.row import Row

DEFINITION = "definition"
"""Source of numbers that follow from the definition of a metric; it is shown beside any other."""
ALL = "all"


@dataclass(frozen=True)
class Ranking:
    """Orders of the tokenizers in one column of a source.

    Attributes:
        column: See `Published.column`.
        correlation: None where too few tokenizers have both numbers.
        n: Tokenizers with both numbers.
        n_compared: Those of `n` whose numbers are comparable as well.
    """

    column: tuple[str, ...]
    correlation: RankCorrelation | None
    n: int
    n_compared: int


@dataclass(frozen=True)
class Reproduction:
    """Published numbers beside ours.

    Attributes:
        profile: Profile of our rows.
        sources: Sources that are shown, without the definitions.
        checks: Verdicts on the recordings themselves, which need no tokenizer.
        cells: All other verdicts, in the order of the sources.
        rankings: Orders by column.
        unpublished: Our tokenizers for which the sources print no number.
        faults: Lines of the file of published numbers that were left out, one sentence each.
    """

    profile: str
    sources: tuple[str, ...]
    checks: list[Judged]
    cells: list[Judged]
    rankings: list[Ranking]
    unpublished: list[str]
    faults: list[str]

    @property
    def judged(self) -> list[Judged]:
        """Return all verdicts, the checks first."""
        return [*self.checks, *self.cells]

    @property
    def counts(self) -> dict[str, int]:
        """Return the number of verdicts of each kind."""
        found = Counter(each.verdict for each in self.judged)
        return {verdict: found[verdict] for verdict in VERDICTS}


def reproduce(
    rows: Sequence[Row],
    evidence: Evidence,
    sources: Sequence[str] | None = None,
    numbers_file: Path = FILE,
) -> Reproduction | None:
    """Compare the rows of one results folder with published numbers.

    Args:
        rows: All rows, at least one, of one profile.
        evidence: Look-ups beside the rows.
        sources: Names of the sources to show, or "all"; None for those that show themselves: a source whose
            protocol is the rows' profile, and a source of which any number can be compared.
        numbers_file: File of published numbers.

    Returns: None if `sources` is None and no source shows itself.

    Raises: UserError for an unknown source or an unusable file.
    """
    rules, known = read_rules(), read_sources()
    for name in sources or ():
        if name not in (ALL, *known):
            raise unknown("source", name, [ALL, *known])
    if not rows:
        raise UserError("there are no rows to compare with published numbers")
    numbers, faults = read_numbers(numbers_file, known, rules.units, rules.datasets)
    judge = Judge(rows, evidence, rules, numbers)
    judged = [judge.verdict(number) for number in numbers]
    shown = _shown(sources, judged, rows[0].profile, rules)
    if not shown and sources is None:
        return None
    checks = [each for each in judged if _is_check(each, rules)]
    cells = [each for each in judged if each.published.source in shown and not _is_check(each, rules)]
    return Reproduction(
        profile=rows[0].profile,
        sources=shown,
        checks=checks,
        cells=cells,
        rankings=[_ranking(column, group, rules.recordings) for column, group in columns(cells).items()],
        unpublished=_unpublished(rows, numbers, shown),
        faults=faults,
    )


def _shown(
    sources: Sequence[str] | None, judged: Sequence[Judged], profile: str, rules: Rules
) -> tuple[str, ...]:
    """Return the sources to show in the order of `sources.yaml`, without the definitions."""
    known = read_sources()
    others = [name for name in known if name != DEFINITION]
    if sources is not None:
        return tuple(name for name in others if ALL in sources or name in sources)
    compared = {each.published.source for each in judged if each.pair and each.config not in rules.recordings}
    return tuple(name for name in others if name in compared or known[name].is_shown_in(profile))


def _is_check(judged: Judged, rules: Rules) -> bool:
    """Tell whether a verdict needs no tokenizer: definitions, and listeners on the recordings themselves."""
    number = judged.published
    on_recordings = judged.config in rules.recordings and number.metric in rules.checks
    return number.source == DEFINITION or on_recordings


def _ranking(column: tuple[str, ...], group: Sequence[Judged], recordings: Sequence[str]) -> Ranking:
    """Correlate the tokenizers of a column; recordings, whose rank is known, do not count."""
    both = [
        (each.published.number, each.ours.value, each.pair)
        for each in group
        if each.published.number is not None
        and each.ours is not None
        and each.ours.status == "ok"
        and each.ours.value is not None
        and each.config not in recordings
    ]
    published, ours = [pair[0] for pair in both], [pair[1] for pair in both]
    compared = sum(pair[2] is not None for pair in both)
    return Ranking(column, rank_correlation(published, ours), len(both), compared)


def _unpublished(rows: Sequence[Row], numbers: Sequence[Published], shown: tuple[str, ...]) -> list[str]:
    """Return our tokenizers for which the sources print no number."""
    printed = {counterpart_of(number) for number in numbers if number.source in (*shown, DEFINITION)}
    return sorted({row.tokenizer for row in rows} - printed)
