"""Rules of comparison: tolerances with their reasons, and the conditions under which they hold."""

from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache
from math import inf
from typing import Any

import yaml

from benchmark.results.published.conditions import Condition, Conditions
from benchmark.results.published.names import FOLDER
from benchmark.results.published.numbers import Published
from benchmark.results.row import Row

SLACK = 1e-9
"""Share of a bound by which rounding may exceed it."""


@dataclass(frozen=True, kw_only=True)
class Tolerance:
    """The distance that a number may have from the published one.

    Attributes:
        absolute: Distance in the metric's unit.
        below: Distance downwards where it differs from `absolute`.
        above: Distance upwards where it differs from `absolute`.
        relative: Share of the published number, in place of a distance for numbers over `over`.
        over: Published number over which `relative` holds.
        factor: Factor upwards and downwards, in place of a distance.
        up_to: Published number over which nothing is comparable.
    """

    absolute: float = 0.0
    below: float | None = None
    above: float | None = None
    relative: float | None = None
    over: float = -inf
    factor: float | None = None
    up_to: float = inf

    def bounds(self, published: float) -> tuple[float, float]:
        """Return the least and the greatest number that agree with the published one."""
        if self.factor is not None:
            return published / self.factor, published * self.factor
        if self._is_relative(published):
            distance = abs(published) * (self.relative or 0.0)
            return published - distance, published + distance
        down, up = (self.absolute if side is None else side for side in (self.below, self.above))
        return published - down, published + up

    def holds(self, published: float, ours: float) -> bool:
        """Tell whether our number agrees with the published one."""
        low, high = self.bounds(published)
        slack = SLACK * max(1.0, abs(low), abs(high))
        return low - slack <= ours <= high + slack

    def words(self, published: float) -> str:
        """Return the tolerance of a published number as a table prints it, such as "±0.5"."""
        if self.factor is not None:
            return f"×/÷ {self.factor:g}"
        if self._is_relative(published):
            return f"±{self.relative:.0%}".replace("%", " %")
        if self.below is not None or self.above is not None:
            down, up = (self.absolute if side is None else side for side in (self.below, self.above))
            return f"−{down:g}/+{up:g}"
        return f"±{self.absolute:g}"

    def _is_relative(self, published: float) -> bool:
        return self.relative is not None and published > self.over


@dataclass(frozen=True)
class Band:
    """A tolerance with its reason, and the sets of conditions under which it holds.

    Attributes:
        difference: Task whose published number of the recordings is subtracted before the comparison, from
            ours the row of the recordings; empty to compare the numbers themselves.
    """

    tolerance: Tolerance
    reason: str
    when: tuple[str, ...] = ()
    difference: str = ""


@dataclass(frozen=True)
class Rule:
    """The comparison of the published numbers of one metric; see `rules.yaml`.

    Attributes:
        tokenizers: Configs that the rule is for; None for all.
        variant: The published variant that the rule is for; None for all.
        profile: Set of conditions on the profile of the row, if any.
        when: Further sets of conditions.
        bands: Tolerances, of which the first that applies is taken.
        not_comparable: Reason why nothing is compared; empty where `bands` say how.
    """

    sources: tuple[str, ...]
    tasks: tuple[str, ...]
    metrics: tuple[str, ...]
    tokenizers: tuple[str, ...] | None = None
    variant: str | None = None
    profile: tuple[str, ...] = ()
    when: tuple[str, ...] = ()
    bands: tuple[Band, ...] = ()
    not_comparable: str = ""

    def concerns(self, number: Published, config: str) -> bool:
        """Tell whether the rule is for a published number, whose tokenizer is made by `config`."""
        return (
            number.source in self.sources
            and number.task in self.tasks
            and number.metric in self.metrics
            and (self.tokenizers is None or config in self.tokenizers)
            and self.variant in (None, number.variant)
        )


@dataclass(frozen=True)
class Rules:
    """Everything of `rules.yaml`."""

    units: Mapping[str, str]
    columns: Mapping[str, Mapping[str, tuple[str, ...]]]
    """Patterns of "task.metric" of ours, by published task and metric."""
    checks: tuple[str, ...]
    always: tuple[str, ...]
    """Sets of conditions of every row."""
    datasets: Mapping[str, tuple[str, ...]]
    """Sets of conditions by published dataset."""
    recordings: tuple[str, ...]
    """Configs that pass the recordings through unchanged."""
    conditions: Conditions
    rules: tuple[Rule, ...]

    def of(self, number: Published, config: str) -> Rule | None:
        """Return the first rule for a published number; None if there is none."""
        return next((rule for rule in self.rules if rule.concerns(number, config)), None)

    def when(self, number: Published, rule: Rule) -> tuple[str, ...]:
        """Return the sets of conditions for a row to be comparable with a published number."""
        names = *self.always, *rule.profile, *self.datasets[number.dataset], *rule.when
        return tuple(dict.fromkeys(names))

    def place(self, number: Published, row: Row) -> int | None:
        """Return the place of a row among those that may hold a published number; None if it cannot.

        A metric under a condition, such as "wer/same_gender", is no published one.
        """
        if "/" in row.metric:
            return None
        patterns = self.columns.get(number.task, {}).get(number.metric, ())
        name = f"{row.task}.{row.metric}"
        return next((place for place, pattern in enumerate(patterns) if fnmatchcase(name, pattern)), None)


@cache
def read_rules() -> Rules:
    """Return the rules of the package."""
    content = yaml.safe_load((FOLDER / "rules.yaml").read_text(encoding="utf-8"))
    groups = {name: tuple(configs) for name, configs in content["groups"].items()}
    sets = {name: tuple(map(Condition.of, each)) for name, each in content["conditions"].items()}
    return Rules(
        units=content["units"],
        columns={
            task: {metric: tuple(ours) for metric, ours in columns.items()}
            for task, columns in content["columns"].items()
        },
        checks=tuple(content["checks"]),
        always=tuple(content["always"]),
        datasets={name: tuple(each) for name, each in content["datasets"].items()},
        recordings=groups["recordings"],
        conditions=Conditions(sets, groups),
        rules=tuple(_rule(each, groups) for each in content["rules"]),
    )


def _rule(content: Mapping[str, Any], groups: Mapping[str, tuple[str, ...]]) -> Rule:
    return Rule(
        sources=_several(content["source"]),
        tasks=_several(content["task"]),
        metrics=_several(content["metric"]),
        tokenizers=groups[content["tokenizers"]] if "tokenizers" in content else None,
        variant=content.get("variant"),
        profile=(content["profile"],) if "profile" in content else (),
        when=tuple(content.get("when", ())),
        bands=tuple(_band(each) for each in content.get("bands", ())),
        not_comparable=content.get("not_comparable", ""),
    )


def _band(content: Mapping[str, Any]) -> Band:
    others = {"when", "difference", "reason"}
    tolerance = Tolerance(**{name: value for name, value in content.items() if name not in others})
    return Band(tolerance, content["reason"], tuple(content.get("when", ())), content.get("difference", ""))


def _several(content: str | list[str]) -> tuple[str, ...]:
    return (content,) if isinstance(content, str) else tuple(content)
