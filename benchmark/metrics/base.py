"""A metric of decoded speech: parameters, the sentence that they make, and a score for every utterance.

A new metric is one class here or in a package of one's own, and one yaml in `conf/metric/`.
"""

from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Any, ClassVar, Literal, NamedTuple

from benchmark.extractors.base import Extractor, Side
from benchmark.metrics.reported import SHOWN_ONLY, ReportedMetric
from benchmark.metrics.signal_pair import Pair
from benchmark.storage.identity import describe, uid_of

Voice = Literal["kept", "changed", "any"]


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
class Metric(ReportedMetric):
    """A metric of decoded speech with its parameters; its fields are the keys of its yaml.

    Attributes:
        voice: Where it has a meaning, as long as `tasks` names no kinds of tasks: where decoded speech has
            kept the original's voice, where the voice is changed for a prompt's, or wherever.
    """

    voice: ClassVar[Voice] = "kept"

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

    @property
    def uses_model(self) -> bool:
        """Whether a pretrained model has to run before it: it is then scored where that is."""
        return any(extractor.batched for _, extractor in self.needs())
