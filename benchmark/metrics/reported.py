"""What every number that a task reports has: a label, a unit, a direction, and the sentence beside it."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any, ClassVar

from benchmark.storage.hashing import digest
from benchmark.storage.identity import describe, uid_of

SHOWN_ONLY = ("label", "tasks")
"""Fields that change no number."""
FAMILIES = ("intelligibility", "pitch", "quality", "spectrum", "voice", "opinion", "waveform")
"""Known families in the order of their columns; columns of any other family follow."""


@dataclass(frozen=True, kw_only=True)
class MetricInfo:
    """What a table needs to print a metric."""

    label: str
    unit: str
    """Empty for a number without one."""
    higher_is_better: bool | None
    """None where neither is."""
    decimals: int
    definition: str
    family: int = 0
    """Columns of a family stand side by side, in ascending order."""
    counts: tuple[str, str] | None = None
    """Columns of the utterances whose sums' ratio in percent the metric is; None for the column of its name,
    averaged by the weights in "<metric>:weight" where there are any."""


@dataclass(frozen=True, kw_only=True)
class ReportedMetric(ABC):
    """Base of every metric, of decoded speech, of probes' answers and of codes; its fields are yaml keys.

    Attributes:
        family: What kind of thing it measures; columns of a family stand side by side.
        unit: Empty for a number without one.
        higher_is_better: None where neither is.
        decimals: Digits that tables print.
        version: Raise it when the code changes a number.
        counts: See `MetricInfo.counts`.
        label: Head of its column.
        tasks: Kinds of tasks that report it; empty for every task that can compute it.
    """

    family: ClassVar[str] = ""
    unit: ClassVar[str] = ""
    higher_is_better: ClassVar[bool | None]
    decimals: ClassVar[int] = 3
    version: ClassVar[int] = 1
    counts: ClassVar[tuple[str, str] | None] = None

    label: str
    tasks: Sequence[str] = ()

    @property
    @abstractmethod
    def definition(self) -> str:
        """The sentence beside the number, made of the parameters; no full stop."""

    def identity(self) -> dict[str, Any]:
        """Return everything that a score depends on but what is scored, JSON-able."""
        content: dict[str, Any] = {"class": uid_of(type(self)), "version": self.version}
        for item in fields(self):
            if item.name not in SHOWN_ONLY:
                content[item.name] = describe(getattr(self, item.name))
        return content

    @cached_property
    def key(self) -> str:
        """Digest of `identity`."""
        return digest(self.identity())

    @property
    def facts(self) -> MetricInfo:
        """How tables show it."""
        return MetricInfo(
            label=self.label,
            unit=self.unit,
            higher_is_better=self.higher_is_better,
            decimals=self.decimals,
            definition=self.definition,
            family=_place(self.family),
            counts=self.counts,
        )


@dataclass(frozen=True, kw_only=True)
class StatedMetric(ReportedMetric):
    """A metric that its task computes itself, together with others; here is how tables show it."""

    info: MetricInfo
    label: str = ""

    @property
    def definition(self) -> str:
        """See `ReportedMetric.definition`."""
        return self.info.definition

    @property
    def facts(self) -> MetricInfo:
        """See `ReportedMetric.facts`."""
        return self.info


def stated(
    label: str,
    unit: str,
    higher_is_better: bool | None,
    decimals: int,
    definition: str,
    counts: tuple[str, str] | None = None,
) -> StatedMetric:
    """Declare a metric that its task computes itself; arguments as the fields of `MetricInfo`."""
    info = MetricInfo(
        label=label,
        unit=unit,
        higher_is_better=higher_is_better,
        decimals=decimals,
        definition=definition,
        counts=counts,
    )
    return StatedMetric(info=info)


def _place(family: str) -> int:
    """Return where a family's columns stand; a metric without a family stands in the order of its task."""
    if not family:
        return 0
    return FAMILIES.index(family) if family in FAMILIES else len(FAMILIES)
