"""What a metric is: parameters, the sentence that they make, and a score for every utterance.

A new metric is one class here or in a package of one's own, and one yaml in `conf/metric/`.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any, ClassVar, Literal, NamedTuple, get_args

from benchmark.errors import UserError
from benchmark.extractors.base import Extractor, Side
from benchmark.metrics.definitions import MetricInfo
from benchmark.metrics.signal_pair import Pair
from benchmark.storage.hashing import digest
from benchmark.storage.identity import describe, uid_of

SHOWN_ONLY = ("label", "tasks")
"""Fields that change no number."""
TASKS = ("reconstruction", "voice_conversion")
Family = Literal["intelligibility", "pitch", "quality", "spectrum", "voice", "opinion", "waveform"]
"""Kinds of metrics, in the order of the columns."""


class MetricUndefined(Exception):
    """The metric has no value for this pair; the message says why."""


class Score(NamedTuple):
    """What one utterance contributes: the metric over many is Σ weight × value / Σ weight.

    Attributes:
        value: In the metric's unit.
        weight: One for a mean over utterances; the words of the reference for a corpus WER.
        text: What was heard, where that was how the value was found.
    """

    value: float
    weight: float = 1.0
    text: str | None = None


@dataclass(frozen=True, kw_only=True)
class Metric(ABC):
    """A metric with its parameters; its fields are the keys of its yaml.

    Attributes:
        family: What kind of thing it measures; tables have the columns of a family side by side.
        unit: Empty for a number without one.
        higher_is_better: None where neither is.
        decimals: Digits that tables print.
        version: Raise it when the code changes a number.
        label: Head of its column.
        tasks: Where it has a meaning, names among `TASKS`.
    """

    family: ClassVar[Family]
    unit: ClassVar[str] = ""
    higher_is_better: ClassVar[bool | None]
    decimals: ClassVar[int] = 3
    version: ClassVar[int] = 1

    label: str
    tasks: Sequence[str] = ("reconstruction",)

    def __post_init__(self) -> None:
        wrong = sorted(set(self.tasks) - set(TASKS))
        if wrong or not self.tasks:
            raise UserError(f"metric {self.label}: tasks {list(self.tasks)}; legal: {', '.join(TASKS)}")

    @property
    @abstractmethod
    def definition(self) -> str:
        """The sentence beside the number, made of the parameters; no full stop."""

    @abstractmethod
    def score(self, pair: Pair) -> Score | float:
        """The score of one utterance; NaN means that there is none.

        Raises: MetricUndefined for a pair without a value. Any other error is counted as a failure too.
        """

    def needs(self) -> Iterator[tuple[Side, Extractor]]:
        """What `score` asks the pair for: of the original it is kept and shared by all tokenizers."""
        return iter(())

    def identity(self) -> dict[str, Any]:
        """Everything that a score depends on but the audio, JSON-able.

        Raises: UserError when a model is not at hand.
        """
        content: dict[str, Any] = {"class": uid_of(type(self)), "version": self.version}
        for item in fields(self):
            value = getattr(self, item.name)
            if item.name not in SHOWN_ONLY:
                content[item.name] = value.key if isinstance(value, Extractor) else describe(value)
        return content | {"needs": sorted(f"{side} {need.key}" for side, need in self.needs())}

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
            family=get_args(Family).index(self.family),
        )

    @property
    def uses_model(self) -> bool:
        """Whether a pretrained model has to run before it: it is then scored where that is."""
        return any(extractor.batched for _, extractor in self.needs())
