"""Verdicts: each published number beside ours, compared as its rule says."""

from collections.abc import Iterable, Mapping, Sequence
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


@dataclass(frozen=True)
class Judged:
    """A published number, ours where there is one, and the verdict.

    Attributes:
        published: The published number.
        config: Config that makes the tokenizer; empty if none does.
        verdict: Outcome of the comparison.
        why: Reason of a verdict that is not a comparison of two numbers.
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
        """A row behind our number; None if there is none."""
        return self.ours.rows[0] if self.ours else None

    @property
    def difference(self) -> float | None:
        """Ours minus the published number, as compared; None where either is no number."""
        if self.pair:
            return self.pair[1] - self.pair[0]
        ours = self.ours.value if self.ours else None
        number = self.published.number
        return None if ours is None or number is None else ours - number


@dataclass(frozen=True)
class Judge:
    """Compares published numbers with the rows of one results folder.

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
        """Sets of conditions of the rules."""
        return self.rules.conditions

    @cached_property
    def _by_tokenizer(self) -> Mapping[str, list[Row]]:
        found: dict[str, list[Row]] = {}
        for row in self.rows:
            found.setdefault(row.tokenizer, []).append(row)
        return found

    def verdict(self, number: Published) -> Judged:
        """Judge one published number."""
        nobody = Counterpart("", NO_NAME)
        name = number.source, number.tokenizer, number.variant
        counterpart = read_counterparts().get(name, nobody)
        config = counterpart.config
        if not config:
            return Judged(number, config, "missing", counterpart.why_none)
        rule = self.rules.of(number, config)
        judged = Judged(number, config, "not comparable", ours=self._candidate(number, config, rule))
        if rule is None:
            return replace(judged, why="no tolerance is stated for this metric of this source")
        if rule.not_comparable:
            return replace(judged, why=rule.not_comparable)
        if judged.ours is None:
            elsewhere = self.conditions.failures(rule.profile, self.evidence, self.rows[0])
            verdict: Verdict = "not comparable" if elsewhere else "missing"
            return replace(judged, verdict=verdict, why="; ".join(elsewhere) or NOT_RUN)
        if judged.ours.status == "failed":
            return replace(judged, verdict="missing", why=f"the job failed: {judged.ours.reason}")
        if why := self._hindrance(judged.ours, number, rule):
            return replace(judged, why=why)
        if number.number is None or judged.ours.status == "NC":
            return _without_number(judged)
        return self._compare(judged, rule)

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

    def _hindrance(self, cell: Cell, number: Published, rule: Rule) -> str:
        """Return why our number cannot be compared; empty if nothing hinders."""
        if cell.status == "n/a":
            return cell.reason
        if failures := self._failures(cell, self.rules.when(number, rule)):
            return "; ".join(failures)
        if cell.status == "partly NC":
            return f"of {cell.n_seeds} seeds {len(cell.rows)} converged"
        if cell.status == "ok" and cell.missing_share > MAX_MISSING_SHARE:
            return f"no score on more than {MAX_MISSING_SHARE:.0%} of the utterances: {cell.missing}"
        unit = cell.rows[0].display.get("unit", number.unit)  # older rows do not state it
        return f"our unit is {unit!r}, not {number.unit!r}" if unit != number.unit else ""

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
            agrees = band.tolerance.holds(*pair)
            return replace(judged, verdict="agrees" if agrees else "differs", pair=pair, band=band)
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


def _without_number(judged: Judged) -> Judged:
    """Judge where a training did not converge."""
    ours = judged.ours
    assert ours is not None
    if judged.published.number is None and ours.status == "NC":
        return replace(judged, verdict="agrees", why="neither training converged")
    if judged.published.number is None:
        return replace(
            judged, why="the source judged its training not converged by reading, without a number"
        )
    return replace(judged, verdict="differs", why=f"our training did not converge: {ours.reason}")


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
