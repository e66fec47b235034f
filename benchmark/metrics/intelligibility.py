"""Word and character errors of transcripts."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any, ClassVar, Literal

import jiwer
from whisper_normalizer.basic import BasicTextNormalizer
from whisper_normalizer.english import EnglishTextNormalizer

from benchmark.errors import unknown
from benchmark.extractors.asr.extractors import Transcript
from benchmark.extractors.base import Extractor, Side
from benchmark.metrics.base import Metric, MetricUndefined, Score, Voice
from benchmark.metrics.signal_pair import Pair

UNDEFINED = (float("nan"), float("nan"))
Process = Callable[[str, str], Any]
PROCESS: dict[str, Process] = {
    "words": jiwer.process_words,
    "characters, spaces included": jiwer.process_characters,
}
"""By what is counted, jiwer's count of the edits that turn one text into another."""
Normaliser = Literal["whisper_english", "whisper_basic", "none"]
NORMALISERS: dict[Normaliser, str] = {
    "whisper_english": "Whisper English normaliser on both sides",
    "whisper_basic": "Whisper basic normaliser on both sides",
    "none": "no text normaliser",
}
"""What texts go through before they are compared, and the words for it in definitions."""


def normalise(text: str, language: str = "en") -> str:
    """Whisper's text normaliser: the English one, or for other languages the basic one.

    Radford et al. 2022, Robust Speech Recognition via Large-Scale Weak Supervision, appendix C.

    Args:
        text: As written by a person or an ASR system.
        language: ISO 639-1 code, with or without a region ("en", "en-us", "de").
    """
    return _normalised(text, "whisper_english" if language.split("-")[0] == "en" else "whisper_basic")


def _normalised(text: str, normaliser: Normaliser) -> str:
    """The text with one space between its words."""
    return " ".join(_normaliser(normaliser)(text).split())


@cache
def _normaliser(name: Normaliser) -> Callable[[str], str]:
    if name == "none":
        return str
    return EnglishTextNormalizer() if name == "whisper_english" else BasicTextNormalizer()


def word_errors(reference: str, hypothesis: str, language: str = "en") -> tuple[float, float]:
    """Edits and reference words after normalisation; corpus WER is Σ edits / Σ words.

    A reference without words gives NaN for both: nothing can be divided by it.
    """
    return _edits(normalise(reference, language), normalise(hypothesis, language), jiwer.process_words)


def char_errors(reference: str, hypothesis: str, language: str = "en") -> tuple[float, float]:
    """Edits and reference characters, spaces included, after normalisation; see `word_errors`."""
    return _edits(normalise(reference, language), normalise(hypothesis, language), jiwer.process_characters)


def _edits(expected: str, heard: str, process: Process) -> tuple[float, float]:
    """Edits between two normalised texts, and the parts of the expected one."""
    if not expected:
        return UNDEFINED
    result = process(expected, heard)
    edits = result.substitutions + result.deletions + result.insertions
    return float(edits), float(result.substitutions + result.deletions + result.hits)


@dataclass(frozen=True, kw_only=True)
class ErrorRate(Metric):
    """Base of the error rates of what an ASR system hears in decoded speech.

    Attributes:
        parts: What is counted, a key of `PROCESS`.
        asr: Who listens.
        against: "text": what is said, as the corpus has it. "asr": what the same ASR hears in the original,
            as DASB's dWER (Mousavi et al. 2024): it asks for no text, and what the ASR gets wrong in the
            original too is no error.
        normaliser: See `NORMALISERS`; "none" is for corpora that write as the ASR does.
    """

    family: ClassVar[str] = "intelligibility"
    voice: ClassVar[Voice] = "any"
    unit: ClassVar[str] = "%"
    higher_is_better: ClassVar[bool | None] = False
    decimals: ClassVar[int] = 1
    parts: ClassVar[str]

    asr: Transcript
    against: Literal["text", "asr"] = "text"
    normaliser: Normaliser = "whisper_english"

    def __post_init__(self) -> None:
        if self.against not in ("text", "asr"):
            raise unknown(f"{self.label} against", self.against, ("text", "asr"))
        if self.normaliser not in NORMALISERS:
            raise unknown("normaliser", self.normaliser, NORMALISERS)

    @property
    def definition(self) -> str:
        """See `Metric.definition`."""
        other = "" if self.against == "text" else ", against the same ASR's transcript of the original"
        return (
            f"corpus level (Σ edits / Σ {self.parts}), jiwer, {NORMALISERS[self.normaliser]}, "
            f"{self.asr.method}{other}; ASR {self.asr.name} from {self.asr.source}"
        )

    def needs(self) -> Iterator[tuple[Side, Extractor]]:
        """See `Metric.needs`."""
        yield "decoded", self.asr
        if self.against == "asr":
            yield "reference", self.asr

    def score(self, pair: Pair) -> Score:
        """Percent of the reference's words or characters, weighted by their number; see `Metric.score`."""
        reference = self._reference(pair)
        heard = str(pair.value("decoded", self.asr))
        edits, parts = _edits(reference, _normalised(heard, self.normaliser), PROCESS[self.parts])
        return Score(100 * edits / parts, parts, heard)

    def _reference(self, pair: Pair) -> str:
        """The normalised text to compare with; raises MetricUndefined where it holds no word."""
        given = pair.text if self.against == "text" else str(pair.value("reference", self.asr))
        expected = _normalised(given or "", self.normaliser)
        if not expected:
            heard = self.against == "asr"
            raise MetricUndefined(
                "the ASR hears no word in the original" if heard else "no reference transcript"
            )
        return expected


@dataclass(frozen=True, kw_only=True)
class WordErrorRate(ErrorRate):
    """WER. Over many utterances it is Σ edits / Σ words, the corpus WER."""

    parts: ClassVar[str] = "words"

    label: str = "WER"


@dataclass(frozen=True, kw_only=True)
class CharErrorRate(ErrorRate):
    """CER, spaces included; for languages where words are ill-defined."""

    parts: ClassVar[str] = "characters, spaces included"

    label: str = "CER"
