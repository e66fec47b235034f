"""Base class of all metrics that tasks report: label, unit, direction and definition."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from math import inf
from typing import Any, ClassVar

from benchmark.metrics.statistics.bounds import Range
from benchmark.storage.hashing import digest
from benchmark.storage.identity import describe, uid_of

SHOWN_ONLY = ("label", "tasks", "note_of")
"""Fields that change no number and therefore stay out of a metric's identity."""
FAMILIES = ("intelligibility", "pitch", "quality", "spectrum", "voice", "opinion", "waveform")
"""Known families in the order of their columns; columns of any other family follow."""


@dataclass(frozen=True, kw_only=True)
class MetricInfo:
    """Facts that a table needs to print a metric."""

    label: str
    unit: str
    """Unit of the value; empty for a value without a unit."""
    higher_is_better: bool | None
    """None for a metric without a direction."""
    decimals: int
    definition: str
    family: int = 0
    """Position of the metric's family among the columns, ascending; a family's columns stand side by side."""
    counts: tuple[str, str] | None = None
    """Columns of numerator and denominator per utterance: the metric is the ratio of their sums in percent.
    None for the mean of the column named like the metric, with the weights in "<metric>:weight" if any."""
    least: float = -inf
    most: float = inf
    """Smallest and largest value that the metric can have; intervals end there."""
    counted: bool = False
    """True if the metric counts events, such as words wrong, so that none seen does not mean none."""
    order_free: bool = False
    """True if codes can score without their order: shuffled codes are then a bag of codes, not a floor."""
    note_of: str = ""
    """Metric that this one qualifies: tables show it in a note, without a column; empty for none."""

    @property
    def within(self) -> Range:
        """Range of the metric, for its interval."""
        event = (100.0 if self.unit == "%" else 1.0) if self.counted else 0.0
        return Range(self.least, self.most, event)


@dataclass(frozen=True, kw_only=True)
class ReportedMetric(ABC):
    """Base class of metrics of decoded speech, of probes' answers and of codes; the fields are yaml keys.

    Attributes:
        family: Quantity that the metric measures, such as "pitch"; columns of a family stand side by side.
        unit: Unit of the value; empty for a value without a unit.
        higher_is_better: None for a metric without a direction.
        decimals: Number of decimals that tables print.
        version: Raise this number when a code change alters scores.
        counts: See `MetricInfo.counts`.
        least: Smallest value that the metric can have.
        most: Largest value that the metric can have.
        counted: See `MetricInfo.counted`.
        order_free: See `MetricInfo.order_free`.
        label: Heading of the metric's column.
        tasks: Kinds of tasks that report the metric; empty for every task that can compute the metric.
        note_of: See `MetricInfo.note_of`.
    """

    family: ClassVar[str] = ""
    unit: ClassVar[str] = ""
    higher_is_better: ClassVar[bool | None]
    decimals: ClassVar[int] = 3
    version: ClassVar[int] = 1
    counts: ClassVar[tuple[str, str] | None] = None
    least: ClassVar[float] = -inf
    most: ClassVar[float] = inf
    counted: ClassVar[bool] = False
    order_free: ClassVar[bool] = False

    label: str
    tasks: Sequence[str] = ()
    note_of: str = ""

    @property
    @abstractmethod
    def definition(self) -> str:
        """Sentence that defines the metric, composed of its parameters, without a full stop."""

    def identity(self) -> dict[str, Any]:
        """Return everything that a score depends on except the data that is scored, JSON-able."""
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
        """Label, unit, direction and definition of the metric, as tables show them."""
        return MetricInfo(
            label=self.label,
            unit=self.unit,
            higher_is_better=self.higher_is_better,
            decimals=self.decimals,
            definition=self.definition,
            family=_place(self.family),
            counts=self.counts,
            least=self.least,
            most=self.most,
            counted=self.counted,
            order_free=self.order_free,
            note_of=self.note_of,
        )


@dataclass(frozen=True, kw_only=True)
class StatedMetric(ReportedMetric):
    """A metric without code of its own: its task computes the value, together with other metrics."""

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
    *,
    least: float = -inf,
    most: float = inf,
    counted: bool = False,
    order_free: bool = False,
) -> StatedMetric:
    """Declare a metric that its task computes; the arguments are the fields of `MetricInfo`."""
    info = MetricInfo(
        label=label,
        unit=unit,
        higher_is_better=higher_is_better,
        decimals=decimals,
        definition=definition,
        counts=counts,
        least=least,
        most=most,
        counted=counted,
        order_free=order_free,
    )
    return StatedMetric(info=info)


def _place(family: str) -> int:
    """Return the position of a family's columns; 0 without a family keeps the order of the task."""
    if not family:
        return 0
    return FAMILIES.index(family) if family in FAMILIES else len(FAMILIES)
