"""Conditions of comparability: what a row must say of itself, and looking that up."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd

from benchmark.results.published.names import read_conversion_prompts
from benchmark.results.row import Row

PUBLISHED_PAIRS = "published"
LONG = 40
"""Letters from which on a fact is not repeated in a reason."""


@dataclass(frozen=True)
class Evidence:
    """Look-ups beside the rows: the configs that they were made with, and their scores by utterance."""

    config: Callable[[str], Mapping[str, Any]]
    utterances: Callable[[Row], pd.DataFrame]

    @classmethod
    def of_folder(cls, folder: Path, utterances: Callable[[Row], pd.DataFrame]) -> "Evidence":
        """Return the evidence in a results folder; a config that is missing or damaged states nothing."""

        @cache
        def config(digest: str) -> Mapping[str, Any]:
            try:
                content = json.loads((folder / "configs" / f"{digest}.json").read_text(encoding="utf-8"))
            except (OSError, ValueError):
                return {}
            return content if isinstance(content, dict) else {}

        return cls(config, utterances)

    def fact(self, row: Row, path: str) -> Any:
        """Return a fact of a row by its path, such as "notes.prompt"; None where the row states none."""
        first, *rest = path.split(".")
        if first == "utterances":
            return row.n_scored + row.n_failed + row.n_abstained
        if first == "conversion_pairs":
            return _pairs(self.utterances(row))
        found: Any = self.config(row.config_digest) if first == "config" else getattr(row, first)
        for name in rest:
            found = found.get(name) if isinstance(found, Mapping) else None
        return found


def _pairs(frame: pd.DataFrame) -> str | None:
    """Tell whether the conversions are the published ones; None without a list of them."""
    if not {"utterance_id", "target_id"} <= set(frame.columns) or frame.empty:
        return None
    wanted = read_conversion_prompts()
    speakers = frame["utterance_id"].str.partition("_")[0]
    same = set(speakers) == wanted.keys() and (speakers.map(wanted) == frame["target_id"]).all()
    return PUBLISHED_PAIRS if same else "other"


@dataclass(frozen=True, kw_only=True)
class Condition:
    """One condition on a fact; `test` and `expected` say what must hold of it.

    Attributes:
        fact: Path of the fact.
        test: Name of a test in `TESTS`.
        expected: What the fact is tested against.
        why: Reason why a row is not comparable if the condition does not hold.
        only: Group of tokenizers that the condition is for; empty for all.
        or_unstated: Whether the condition holds of a row that does not state the fact.
    """

    fact: str
    test: str
    expected: Any
    why: str
    only: str = ""
    or_unstated: bool = False

    @classmethod
    def of(cls, content: Mapping[str, Any]) -> "Condition":
        """Read a condition of `rules.yaml`."""
        (test,) = content.keys() & TESTS.keys()
        return cls(
            fact=content["fact"],
            test=test,
            expected=content[test],
            why=content["why"],
            only=content.get("only", ""),
            or_unstated=content.get("or_unstated", False),
        )

    def failure(self, evidence: Evidence, row: Row) -> str:
        """Return why the row is not comparable by this condition; empty if it holds."""
        found = evidence.fact(row, self.fact)
        if found is None and self.or_unstated:
            return ""
        if found is None:
            return f"{self.why} or not stated ({self.fact})"
        if TESTS[self.test](found, self.expected):
            return ""
        told = str(found)
        return f"{self.why} ({self.fact} {told})" if len(told) < LONG else self.why


TESTS: Mapping[str, Callable[[Any, Any], bool]] = {
    "is": lambda found, expected: bool(found == expected),
    "has": lambda found, expected: expected in str(found),
    "has_any": lambda found, expected: any(part in str(found) for part in expected),
    "lacks": lambda found, expected: expected not in str(found),
    "ends": lambda found, expected: str(found).endswith(expected),
    "at_least": lambda found, expected: _is_number(found) and found >= expected,
    "at_most": lambda found, expected: _is_number(found) and found <= expected,
}
"""Tests of a fact against what is expected, by their names in `rules.yaml`."""


def _is_number(found: Any) -> bool:
    return isinstance(found, int | float) and not isinstance(found, bool)


@dataclass(frozen=True)
class Conditions:
    """Named sets of conditions, and the groups of tokenizers that they speak of."""

    sets: Mapping[str, tuple[Condition, ...]] = field(default_factory=dict)
    groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def failures(self, names: tuple[str, ...], evidence: Evidence, row: Row) -> list[str]:
        """Return, for each set that does not hold of the row, its first condition that does not."""
        found = []
        for name in names:
            mine = [each for each in self.sets[name] if self._concerns(each, row.tokenizer)]
            whys = (each.failure(evidence, row) for each in mine)
            found += [next(filter(None, whys), "")]
        return [why for why in dict.fromkeys(found) if why]

    def _concerns(self, condition: Condition, tokenizer: str) -> bool:
        return not condition.only or tokenizer in self.groups[condition.only]
