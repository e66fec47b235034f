"""Verdicts: each published number beside ours, compared as its rule says."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

from benchmark.results.published.conditions import Conditions, Evidence
from benchmark.results.published.names import Counterpart, read_counterparts
from benchmark.results.published.numbers import Published
from benchmark.results.published.rules import Band, Rule, Rules
from benchmark.results.report.cells import MAX_MISSING_SHARE, Cell, combine
from benchmark.results.row import Row

Verdict = Literal["agrees", "differs", "not comparable", "missing"]
VERDICTS: tuple[Verdict, ...] = ("agrees", "differs", "not comparable", "missing")
NOT_RUN = "this job has not run"
NO_NAME = "tokenizers.csv does not say which config makes it"
NO_RULE = "no tolerance is stated for this metric of this source"
BY_READING = "the source judged its training not converged by reading, without a number"


@dataclass(frozen=True)
class Judged:
    """A published number, ours where there is one, and the verdict.

    Attributes:
        published: The published number.
        config: Config that makes the tokenizer; empty if none does.
        verdict: Outcome of the comparison.
        why: Reason of a verdict without a comparison of two numbers; beside a comparison, the utterances that
            have no score of ours.
        ours: Our number with its rows; None if there is none.
        pair: The two numbers that were compared: the numbers themselves, or their differences to the
            recordings; None if nothing was compared.
        band: Tolerance and reason of the comparison; None if nothing was compared.
    """

    published: Published
    config: str
    verdict: Verdict
    why: str = ""
    ours: Cell | None = None
    pair: tuple[float, float] | None = None
    band: Band | None = None

    @property
    def row(self) -> Row | None:
        """Return a row behind our number; None if there is none."""
        return self.ours.rows[0] if self.ours else None

    @property
    def difference(self) -> float | None:
        """Return ours minus the published number, as compared; None where either is no number."""
        if self.pair:
            return self.pair[1] - self.pair[0]
        ours = self.ours.value if self.ours else None
        number = self.published.number
        return None if ours is None or number is None else ours - number


@dataclass(frozen=True)
class Judge:
    """Judge of published numbers by the rows of one results folder.

    Attributes:
        rows: All rows, which are of one profile.
        evidence: Look-ups beside the rows.
        rules: Tolerances and conditions.
        numbers: All published numbers, in which those of the recordings are looked up.
    """

    rows: Sequence[Row]
    evidence: Evidence
    rules: Rules
    numbers: Sequence[Published]

    @property
    def conditions(self) -> Conditions:
        """Return the sets of conditions of the rules."""
        return self.rules.conditions

    @cached_property
    def _by_tokenizer(self) -> Mapping[str, list[Row]]:
        found: dict[str, list[Row]] = {}
        for row in self.rows:
            found.setdefault(row.tokenizer, []).append(row)
        return found

    def verdict(self, number: Published) -> Judged:
        """Judge one published number."""
        name = number.source, number.tokenizer, number.variant
        counterpart = read_counterparts().get(name, Counterpart("", NO_NAME))
        config = counterpart.config
        if not config:
            return Judged(number, config, "missing", counterpart.why_none)
        rule = self.rules.of(number, config)
        judged = Judged(number, config, "not comparable", ours=self._candidate(number, config, rule))
        if rule is None:
            return replace(judged, why=NO_RULE)
        for verdict, why in self._obstacles(judged, rule):
            if why:
                return replace(judged, verdict=verdict, why=why)
        return self._compare(judged, rule)

    def _obstacles(self, judged: Judged, rule: Rule) -> Iterator[tuple[Verdict, str]]:
        """Yield what may stand against a comparison, the first to be told first; an empty reason does not."""
        ours = judged.ours
        yield "not comparable", rule.not_comparable
        if ours is None:
            elsewhere = self.conditions.failures(rule.profile, self.evidence, self.rows[0])
            yield "not comparable", "; ".join(elsewhere)
            yield "missing", NOT_RUN
            return
        yield "missing", f"the job failed: {ours.reason}" if ours.status == "failed" else ""
        yield "not comparable", ours.reason if ours.status == "n/a" else ""
        yield "not comparable", "; ".join(self._failures(ours, self.rules.when(judged.published, rule)))
        yield "not comparable", _incomplete(ours)
        yield "not comparable", _other_unit(ours, judged.published)
        yield _converged(ours, judged.published)

    def _candidate(self, number: Published, config: str, rule: Rule | None) -> Cell | None:
        """Return our number that meets most conditions; None if the job has not run."""
        groups: dict[tuple[int, str, str, str, str], list[Row]] = {}
        for row in self._by_tokenizer.get(config, ()):
            if (place := self.rules.place(number, row)) is not None:
                key = place, row.metric, row.variant, row.dataset, row.split
                groups.setdefault(key, []).append(row)
        cells = [combine(groups[key]) for key in sorted(groups)]
        when = self.rules.when(number, rule) if rule else ()
        bands = rule.bands if rule else ()

        def distance(cell: Cell) -> tuple[bool, int, int]:
            fails = (bool(self._failures(cell, band.when)) for band in bands)
            place = next((place for place, fail in enumerate(fails) if not fail), len(bands))
            return cell.value is None, len(self._failures(cell, when)), place

        return min(cells, key=distance, default=None)

    def _failures(self, cell: Cell, names: tuple[str, ...]) -> list[str]:
        found = [why for row in cell.rows for why in self.conditions.failures(names, self.evidence, row)]
        return list(dict.fromkeys(found))

    def _compare(self, judged: Judged, rule: Rule) -> Judged:
        """Compare two numbers by the first band whose conditions hold."""
        ours, number = judged.ours, judged.published
        assert ours is not None
        for band in rule.bands:
            if self._failures(ours, band.when):
                continue
            pair = self._pair(ours, number, band)
            if isinstance(pair, str):
                return replace(judged, why=f"{band.reason}; {pair}")
            if pair[0] > band.tolerance.up_to:
                return replace(judged, why=band.reason)
            verdict: Verdict = "agrees" if band.tolerance.holds(*pair) else "differs"
            return replace(judged, verdict=verdict, why=ours.missing, pair=pair, band=band)
        return replace(judged, why="; ".join(self._failures(ours, rule.bands[0].when)))

    def _pair(self, ours: Cell, number: Published, band: Band) -> tuple[float, float] | str:
        """Return the published number and ours, or their differences to the recordings, or why not."""
        assert number.number is not None and ours.value is not None
        if not band.difference:
            return number.number, ours.value
        row = ours.rows[0]
        if row.tokenizer in self.rules.recordings:
            return "these are the recordings"
        same = ("task", "metric", "dataset", "split", "definition")
        mine = [
            each
            for each in self.rows
            if each.tokenizer in self.rules.recordings
            and all(getattr(each, name) == getattr(row, name) for name in same)
        ]
        printed = self._published_recordings(number, band.difference)
        if not mine or (value := combine(mine).value) is None:
            return "our row of the recordings is missing"
        if printed is None:
            return "the source prints no number of the recordings"
        return number.number - printed, ours.value - value

    def _published_recordings(self, number: Published, task: str) -> float | None:
        """Return the number that the source prints for the recordings in a task; None if it prints none."""
        found = (
            each.number
            for each in self.numbers
            if (each.source, each.task, each.metric) == (number.source, task, number.metric)
            and counterpart_of(each) in self.rules.recordings
        )
        return next(found, None)


def _incomplete(cell: Cell) -> str:
    """Return which seeds or utterances our number leaves out, if they are too many for a comparison."""
    if cell.status == "partly NC":
        return f"of {cell.n_seeds} seeds {len(cell.rows)} converged"
    if cell.status == "ok" and cell.missing_share > MAX_MISSING_SHARE:
        return f"no score on more than {MAX_MISSING_SHARE:.0%} of the utterances: {cell.missing}"
    return ""


def _other_unit(cell: Cell, number: Published) -> str:
    """Return how our unit differs from the published one; empty if it does not."""
    unit = cell.rows[0].display.get("unit", number.unit)  # older rows do not state it
    return f"our unit is {unit!r}, not {number.unit!r}" if unit != number.unit else ""


def _converged(cell: Cell, number: Published) -> tuple[Verdict, str]:
    """Return the verdict where a training did not converge; its reason is empty where both have a number."""
    if number.number is None and cell.status == "NC":
        return "agrees", "neither training converged"
    if number.number is None:
        return "not comparable", BY_READING
    return "differs", f"our training did not converge: {cell.reason}" if cell.status == "NC" else ""


def counterpart_of(number: Published) -> str:
    """Return the config that makes a published tokenizer; empty if none does."""
    found = read_counterparts().get((number.source, number.tokenizer, number.variant))
    return found.config if found else ""


def columns(judged: Iterable[Judged]) -> Mapping[tuple[str, ...], list[Judged]]:
    """Group verdicts by the columns of their sources."""
    found: dict[tuple[str, ...], list[Judged]] = {}
    for each in judged:
        found.setdefault(each.published.column, []).append(each)
    return found
