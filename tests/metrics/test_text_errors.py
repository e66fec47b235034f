import jiwer
import numpy as np
import pytest
from whisper_normalizer.english import EnglishTextNormalizer

from benchmark.metrics.intelligibility import char_errors, normalise, word_errors


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Mr. Smith can't come!", "mister smith can not come"),
        ("Twenty-one colours, um, [laughter] today", "21 colors today"),
        ("  two   spaces\n", "2 spaces"),
        ("", ""),
    ],
)
def test_english(text: str, expected: str) -> None:
    assert normalise(text) == expected
    assert normalise(text, "en-us") == expected


def test_other_languages_keep_their_accents_and_number_words() -> None:
    assert normalise("¿Cómo está, Señor? Uno!", "es") == "cómo está señor uno"
    assert normalise("He can't", "de") == "he can t"


def test_is_the_reference_normaliser() -> None:
    text = "It's £5.50, isn't it? The 3rd organisation's programme, Dr. Jones: 10% off!"
    assert normalise(text) == " ".join(EnglishTextNormalizer()(text).split())


@pytest.mark.parametrize(
    ("reference", "hypothesis", "edits", "words"),
    [
        ("a b c d", "a b c d", 0, 4),
        ("a b c d", "a x c", 2, 4),  # one substituted, one deleted
        ("a b", "a b c d e", 3, 2),  # insertions may exceed the words
        ("a b c", "", 3, 3),
        ("He won't.", "he WILL not", 0, 3),
    ],
)
def test_word_errors(reference: str, hypothesis: str, edits: int, words: int) -> None:
    assert word_errors(reference, hypothesis) == (edits, words)


def test_char_errors() -> None:
    assert char_errors("bat", "cat s") == (3, 3)
    assert char_errors("at it", "") == (5, 5)


@pytest.mark.parametrize("reference", ["", "  ", "[noise]", "uh."])
def test_reference_without_words_is_undefined(reference: str) -> None:
    assert np.isnan(word_errors(reference, "heard something")).all()
    assert np.isnan(char_errors(reference, "heard something")).all()


def test_corpus_rate_is_that_of_jiwer() -> None:
    references = ["the cat sat", "on a mat today", "yes"]
    hypotheses = ["the bat sat down", "on mat today", "no no"]
    counts = np.array([word_errors(r, h) for r, h in zip(references, hypotheses, strict=True)])
    assert counts[:, 0].sum() / counts[:, 1].sum() == pytest.approx(jiwer.wer(references, hypotheses))
    chars = np.array([char_errors(r, h) for r, h in zip(references, hypotheses, strict=True)])
    assert chars[:, 0].sum() / chars[:, 1].sum() == pytest.approx(jiwer.cer(references, hypotheses))
