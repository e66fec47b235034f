"""Speaker similarity (SECS): the cosine of two voices' embeddings."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from benchmark.extractors.base import Extractor, Side
from benchmark.extractors.speaker.encoders import SpeakerEncoder
from benchmark.extractors.speaker.resemblyzer import Resemblyzer
from benchmark.metrics.base import Metric, MetricUndefined, Voice
from benchmark.metrics.signal_pair import Pair


@dataclass(frozen=True, kw_only=True)
class SpeakerSimilarity(Metric):
    """Base of speaker similarities: the cosine, from -1 to 1, of the decoded voice and another voice.

    The cosine has no value if the encoder finds no speech on a side. Encoders differ widely in the cosines of
    similar voices, so the encoder is part of the definition.

    Attributes:
        against: Side of the other voice.
        subject: The two recordings, as worded in definitions.
        encoder: Encoder that makes the embeddings.
    """

    family: ClassVar[str] = "voice"
    least: ClassVar[float] = -1.0
    most: ClassVar[float] = 1.0
    against: ClassVar[Side]
    subject: ClassVar[str]

    encoder: SpeakerEncoder = field(default_factory=Resemblyzer)

    @property
    def definition(self) -> str:
        """See `Metric.definition`."""
        treatment = f", {self.encoder.treatment}" if self.encoder.treatment else ""
        return f"cosine of {self.encoder.name} embeddings of {self.subject}{treatment}, mean over files"

    def needs(self) -> Iterator[tuple[Side, Extractor]]:
        """See `Metric.needs`."""
        yield "decoded", self.encoder
        yield self.against, self.encoder

    def score(self, pair: Pair) -> float:
        """See `Metric.score`."""
        first, second = (pair.value(side, self.encoder) for side in ("decoded", self.against))
        cosine = similarity(np.ravel(first), np.ravel(second))
        if np.isnan(cosine):
            raise MetricUndefined("a speaker embedding is zero")
        return cosine


@dataclass(frozen=True, kw_only=True)
class TargetSimilarity(SpeakerSimilarity):
    """Similarity of converted speech to the target speaker, whose prompt gave the voice."""

    voice: ClassVar[Voice] = "changed"
    higher_is_better: ClassVar[bool | None] = True
    against: ClassVar[Side] = "prompt"
    subject: ClassVar[str] = "converted speech and the target speaker's prompt"

    label: str = "SECS target"


@dataclass(frozen=True, kw_only=True)
class SourceSimilarity(SpeakerSimilarity):
    """Similarity of converted speech to the source speaker: the rest of the source's voice."""

    voice: ClassVar[Voice] = "changed"
    higher_is_better: ClassVar[bool | None] = False
    against: ClassVar[Side] = "reference"
    subject: ClassVar[str] = "converted speech and the source recording, what is left of its voice"

    label: str = "SECS source"


@dataclass(frozen=True, kw_only=True)
class PreservedSimilarity(SpeakerSimilarity):
    """Similarity of decoded speech to its original: the part of the voice that a tokenizer preserves."""

    higher_is_better: ClassVar[bool | None] = True
    against: ClassVar[Side] = "reference"
    subject: ClassVar[str] = "decoded speech and the original"

    label: str = "SECS"


def similarity(first: np.ndarray, second: np.ndarray) -> float:
    """Compute the cosine of two embeddings (D,); NaN if one of them is zero."""
    first, second = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    scale = np.linalg.norm(first) * np.linalg.norm(second)
    return float(first @ second / scale) if scale else float("nan")
