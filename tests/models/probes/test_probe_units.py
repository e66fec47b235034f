from pathlib import Path

import pytest

from benchmark.errors import UserError
from benchmark.models.probes.normalize import ALPHABET
from benchmark.models.probes.units import CHARACTERS, Pieces

TEXTS = ["turn the light on", "turn the light off", "turn it on", "don't turn it off again"] * 5


@pytest.fixture(scope="module")
def pieces() -> Pieces:
    return Pieces.train(TEXTS, 45)


@pytest.mark.parametrize("text", ["turn the light on", "zebra quiz", "don't", "a", ""])
def test_pieces_spell_any_text_and_back(pieces: Pieces, text: str) -> None:
    labels = pieces.encode(text)
    assert pieces.decode(labels) == text
    assert all(1 <= label < pieces.num_labels for label in labels)


def test_frequent_words_are_one_piece(pieces: Pieces) -> None:
    assert pieces.num_labels == 46
    assert len(pieces.encode("turn the light")) < len(CHARACTERS.encode("turn the light")) / 2
    assert pieces.encode("turn turn")[0] == pieces.encode("turn turn")[-1]


def test_pieces_are_the_same_again_and_after_loading(pieces: Pieces, tmp_path: Path) -> None:
    pieces.save(tmp_path)
    for other in (Pieces.load(tmp_path), Pieces.train(TEXTS, 45)):
        assert other.num_labels == pieces.num_labels
        assert other.encode("light the turnip") == pieces.encode("light the turnip")


def test_fewer_pieces_than_characters_are_refused() -> None:
    with pytest.raises(UserError, match="bpe_size=20 is below the 28"):
        Pieces.train(TEXTS, 20)


def test_characters_are_the_alphabet() -> None:
    assert CHARACTERS.num_labels == 1 + len(ALPHABET)
    assert CHARACTERS.decode(CHARACTERS.encode("don't go")) == "don't go"
