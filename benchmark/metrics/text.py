"""Word and character errors of transcripts."""

from functools import cache

import jiwer
from whisper_normalizer.basic import BasicTextNormalizer
from whisper_normalizer.english import EnglishTextNormalizer

UNDEFINED = (float("nan"), float("nan"))


def normalise(text: str, language: str = "en") -> str:
    """Whisper's text normaliser: the English one, or for other languages the basic one.

    Radford et al. 2022, Robust Speech Recognition via Large-Scale Weak Supervision, appendix C.

    Args:
        text: As written by a person or an ASR system.
        language: ISO 639-1 code, with or without a region ("en", "en-us", "de").
    """
    return " ".join(_normaliser(language.split("-")[0] == "en")(text).split())


@cache
def _normaliser(english: bool) -> EnglishTextNormalizer | BasicTextNormalizer:
    return EnglishTextNormalizer() if english else BasicTextNormalizer()


def word_errors(reference: str, hypothesis: str, language: str = "en") -> tuple[float, float]:
    """Edits and reference words after normalisation; corpus WER is Σ edits / Σ words.

    A reference without words gives NaN for both: nothing can be divided by it.
    """
    expected, heard = normalise(reference, language), normalise(hypothesis, language)
    if not expected:
        return UNDEFINED
    result = jiwer.process_words(expected, heard)
    edits = result.substitutions + result.deletions + result.insertions
    return float(edits), float(result.substitutions + result.deletions + result.hits)


def char_errors(reference: str, hypothesis: str, language: str = "en") -> tuple[float, float]:
    """Edits and reference characters, spaces included, after normalisation; see `word_errors`."""
    expected, heard = normalise(reference, language), normalise(hypothesis, language)
    if not expected:
        return UNDEFINED
    result = jiwer.process_characters(expected, heard)
    edits = result.substitutions + result.deletions + result.insertions
    return float(edits), float(result.substitutions + result.deletions + result.hits)
