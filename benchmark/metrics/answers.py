"""Metrics of what a probe answers: parts of the right answer that it gets wrong, or right."""

from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

from benchmark.metrics.intelligibility import char_errors, word_errors
from benchmark.metrics.reported import ReportedMetric

READER = "BiLSTM CTC over tokens, greedy"
NORMALISER = "Whisper English normaliser on both sides"


class Answer(NamedTuple):
    """The reference and the answer of the probe for one utterance: a transcript or a label."""

    reference: str
    given: str


@dataclass(frozen=True, kw_only=True)
class AnswerMetric(ReportedMetric):
    """A metric of a probe's answers: Σ counted / Σ countable over the utterances, in percent.

    With `counts` the two numbers of every utterance are kept in these columns.
    """

    unit: ClassVar[str] = "%"
    least: ClassVar[float] = 0.0
    counted: ClassVar[bool] = True
    decimals: ClassVar[int] = 1

    @abstractmethod
    def count(self, answer: Answer) -> tuple[float, float]:
        """Count one utterance: what is wrong, or right, and out of how much; NaN for both if undefined."""


@dataclass(frozen=True, kw_only=True)
class TranscriptErrors(AnswerMetric):
    """Base of the error rates of transcripts.

    Attributes:
        reader: The probe in words.
        parts: Counted units, for the definition.
    """

    higher_is_better: ClassVar[bool | None] = False
    parts: ClassVar[str]

    reader: str = READER

    @property
    def definition(self) -> str:
        """See `ReportedMetric.definition`."""
        return f"{self.reader}, corpus level (Σ edits / Σ {self.parts}), jiwer, {NORMALISER}"


@dataclass(frozen=True, kw_only=True)
class TranscriptWordErrors(TranscriptErrors):
    """Corpus-level word error rate of a probe's transcripts."""

    counts: ClassVar[tuple[str, str] | None] = ("words_wrong", "words")
    parts: ClassVar[str] = "words"

    label: str = "Probe WER"

    def count(self, answer: Answer) -> tuple[float, float]:
        """See `AnswerMetric.count`."""
        return word_errors(*answer)


@dataclass(frozen=True, kw_only=True)
class TranscriptCharErrors(TranscriptErrors):
    """Corpus-level character error rate of a probe's transcripts."""

    counts: ClassVar[tuple[str, str] | None] = ("characters_wrong", "characters")
    parts: ClassVar[str] = "characters, spaces included"

    label: str = "Probe CER"

    def count(self, answer: Answer) -> tuple[float, float]:
        """See `AnswerMetric.count`."""
        return char_errors(*answer)
