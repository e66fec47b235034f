"""Base class of metrics of decoded speech: parameters, definition, and a score for every utterance.

A new metric is one class, here or in a package of your own, and one yaml in `conf/metric/`.
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
    """Raised by a metric that abstains, as it is not defined for a pair; the message gives the reason."""


class DecodeFailure(Exception):
    """Raised by a metric where the decoder gave nothing to score, such as digital silence."""


class Score(NamedTuple):
    """Contribution of one utterance: the metric over many utterances is Σ weight × value / Σ weight.

    Attributes:
        value: Score in the metric's unit.
        weight: One for a mean over utterances; the number of words in the reference for a corpus WER.
        text: Transcript of the decoded speech, if the score was computed from one.
        remarks: Events on the way to the score, in words that are counted below tables: "looped".
    """

    value: float
    weight: float = 1.0
    text: str | None = None
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Metric(ReportedMetric):
    """Base class of metrics of decoded speech; the fields of a metric are the keys of its yaml.

    Attributes:
        voice: Decoded speech that the metric applies to: "kept" for speech in the original's voice, "changed"
            for speech in a prompt's voice, "any" for both. Used only where `tasks` is empty.
        remarked: Subject of the remarks of scores, in the plural.
    """

    voice: ClassVar[Voice] = "kept"
    remarked: ClassVar[str] = "utterances"

    @abstractmethod
    def score(self, pair: Pair) -> Score | float:
        """Compute the score of one utterance; NaN means that the metric is not defined for it.

        Raises:
            MetricUndefined: the metric is not defined for the pair, which counts as an abstention.
            DecodeFailure: the decoded signal is nothing to score. This and any other exception count as a
                failure.
        """

    def needs(self) -> Iterator[tuple[Side, Extractor]]:
        """Yield the extractors that `score` reads from the pair, each with the side of the pair.

        Values of the originals are kept in the store and shared by all tokenizers.
        """
        return iter(())

    def identity(self) -> dict[str, Any]:
        """Return everything that a score depends on except the audio, JSON-able.

        Raises: UserError when the files of a model are missing.
        """
        content: dict[str, Any] = {"class": uid_of(type(self)), "version": self.version}
        for item in fields(self):
            value = getattr(self, item.name)
            if item.name not in SHOWN_ONLY:
                content[item.name] = value.key if isinstance(value, Extractor) else describe(value)
        return content | {"needs": sorted(f"{side} {need.key}" for side, need in self.needs())}

    @property
    def uses_model(self) -> bool:
        """True if a pretrained model must run first; the process with the model then scores the metric."""
        return any(extractor.batched for _, extractor in self.needs())
