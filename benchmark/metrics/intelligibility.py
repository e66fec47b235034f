"""Word and character error rates of transcripts."""

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
"""jiwer's function that counts the edits between two texts, by the unit counted."""
Normaliser = Literal["whisper_english", "whisper_basic", "none"]
NORMALISERS: dict[Normaliser, str] = {
    "whisper_english": "Whisper English normaliser on both sides",
    "whisper_basic": "Whisper basic normaliser on both sides",
    "none": "no text normaliser",
}
"""Normalisers applied to both texts before comparison, with their wording in definitions."""


def normalise(text: str, language: str = "en") -> str:
    """Normalise a text by Whisper's normaliser: the English one, or the basic one for other languages.

    See Radford et al. 2022, Robust Speech Recognition via Large-Scale Weak Supervision, appendix C.

    Args:
        text: Text written by a person or an ASR system.
        language: ISO 639-1 code, with or without a region ("en", "en-us", "de").
    """
    return _normalised(text, "whisper_english" if language.split("-")[0] == "en" else "whisper_basic")


def _normalised(text: str, normaliser: Normaliser) -> str:
    """Return the normalised text with single spaces between words."""
    return " ".join(_normaliser(normaliser)(text).split())


@cache
def _normaliser(name: Normaliser) -> Callable[[str], str]:
    if name == "none":
        return str
    return EnglishTextNormalizer() if name == "whisper_english" else BasicTextNormalizer()


def word_errors(reference: str, hypothesis: str, language: str = "en") -> tuple[float, float]:
    """Count edits and reference words after normalisation; corpus WER is Σ edits / Σ words.

    A reference without words gives NaN for both, because the rate is not defined.
    """
    return _edits(normalise(reference, language), normalise(hypothesis, language), jiwer.process_words)


def char_errors(reference: str, hypothesis: str, language: str = "en") -> tuple[float, float]:
    """Count edits and reference characters, spaces included, after normalisation; see `word_errors`."""
    return _edits(normalise(reference, language), normalise(hypothesis, language), jiwer.process_characters)


def _edits(expected: str, heard: str, process: Process) -> tuple[float, float]:
    """Count the edits between two normalised texts, and the units of the expected one."""
    if not expected:
        return UNDEFINED
    result = process(expected, heard)
    edits = result.substitutions + result.deletions + result.insertions
    return float(edits), float(result.substitutions + result.deletions + result.hits)


@dataclass(frozen=True, kw_only=True)
class ErrorRate(Metric):
    """Base of the error rates of ASR transcripts of decoded speech.

    Attributes:
        parts: Unit that is counted, a key of `PROCESS`.
        asr: ASR system that transcribes the speech.
        against: Reference text. "text" is the corpus's transcript. "asr" is the same ASR's transcript of the
            original, as in DASB's dWER (Mousavi et al. 2024): no transcript is needed, and errors that the
            ASR makes in the original too do not count.
        normaliser: Key of `NORMALISERS`; "none" is for corpora whose spelling is that of the ASR.
    """

    family: ClassVar[str] = "intelligibility"
    voice: ClassVar[Voice] = "any"
    unit: ClassVar[str] = "%"
    least: ClassVar[float] = 0.0
    counted: ClassVar[bool] = True
    higher_is_better: ClassVar[bool | None] = False
    decimals: ClassVar[int] = 1
    remarked: ClassVar[str] = "transcripts"
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
        """Return edits in percent of the reference's units, weighted by their number; see `Metric.score`."""
        reference = self._reference(pair)
        heard = self.asr.heard(pair.value("decoded", self.asr))
        edits, parts = _edits(reference, _normalised(heard.text, self.normaliser), PROCESS[self.parts])
        return Score(100 * edits / parts, parts, *heard)

    def _reference(self, pair: Pair) -> str:
        """Return the normalised reference text.

        Raises: MetricUndefined if the reference contains no word.
        """
        given = pair.text if self.against == "text" else self._heard_in_original(pair)
        expected = _normalised(given or "", self.normaliser)
        if not expected:
            heard = self.against == "asr"
            raise MetricUndefined(
                "the ASR hears no word in the original" if heard else "no reference transcript"
            )
        return expected

    def _heard_in_original(self, pair: Pair) -> str:
        return self.asr.heard(pair.value("reference", self.asr)).text


@dataclass(frozen=True, kw_only=True)
class WordErrorRate(ErrorRate):
    """Word error rate. Over many utterances it is Σ edits / Σ words, the corpus WER."""

    parts: ClassVar[str] = "words"

    label: str = "WER"


@dataclass(frozen=True, kw_only=True)
class CharErrorRate(ErrorRate):
    """Character error rate, spaces included, for languages in which words are ill-defined."""

    parts: ClassVar[str] = "characters, spaces included"

    label: str = "CER"
