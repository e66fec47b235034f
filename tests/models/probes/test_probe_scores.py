import jiwer
import numpy as np
import pytest

from benchmark.models.probes.scores import (
    at_floor,
    char_error_rate,
    constant_transcript,
    most_frequent,
    word_edits,
    word_error_rate,
)


def test_rates_are_of_the_corpus() -> None:
    references, hypotheses = ["a", "b c d e f g h i j k"], ["x", "b c d e f g h i j k"]
    assert word_error_rate(references, hypotheses) == pytest.approx(1 / 11)  # not the mean of 1 and 0
    assert char_error_rate(["abc", "de"], ["abd", ""]) == pytest.approx(3 / 5)


@pytest.mark.parametrize(
    ("reference", "hypothesis", "edits"),
    [("a b c", "", 3), ("a b c", "a x c d", 2), ("a", "a", 0), ("a b", "b", 1)],
)
def test_word_edits(reference: str, hypothesis: str, edits: int) -> None:
    assert (
        word_edits(reference, hypothesis)
        == edits
        == round(jiwer.wer(reference, hypothesis) * len(reference.split()))
    )


def test_the_best_constant_may_be_empty_a_transcript_or_a_word() -> None:
    assert constant_transcript(["one two", "three four"], ["five six", "seven eight"]) == ""
    assert constant_transcript(["go on", "go on", "stop it"], ["go on", "go in", "stop"]) == "go on"
    train = ["the cat sat", "a dog ran off", "the end was near"]
    assert constant_transcript(train, ["the big tree", "the old house", "the sea"]) == "the"


def test_majority_breaks_ties_by_name() -> None:
    assert most_frequent(["b", "a", "c", "b"]) == "b"
    assert most_frequent(["b", "a"]) == "a"


def test_a_clear_gain_is_above_the_floor() -> None:
    assert at_floor([1] * 20, [4] * 10 + [5] * 10, [5] * 20) == ""


def test_a_gain_within_chance_is_not() -> None:
    floor = np.full(40, 4)
    changes = np.repeat([-1, 1], [22, 18])  # better on average, but by chance
    words = at_floor(list(floor + changes), list(floor), [5] * 40)
    assert words.startswith("dev not above the floor: 78.0 % errors, a constant answer has 80.0 %")
    assert "difference -2.0" in words


def test_the_difference_is_paired() -> None:
    """Make every utterance a little better, while the utterances differ widely."""
    floor = np.arange(40) * 3 + 10
    assert at_floor(list(floor - 1), list(floor), [100] * 40) == ""


def test_worse_than_the_floor_is_at_the_floor() -> None:
    assert at_floor([5] * 20, [4] * 20, [5] * 20)
