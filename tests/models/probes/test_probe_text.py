import pytest
import torch

from benchmark.models.probes.normalize import (
    ALPHABET,
    BLANK,
    NUM_LABELS,
    collapse,
    ctc_feasible,
    decode,
    encode,
    normalize,
)


@pytest.mark.parametrize(
    ("written", "spelled"),
    [
        ("HELLO  World!", "hello world"),
        ("Don’t stop -- it's on.", "don't stop it's on"),
        ("Café Ångström, naïve", "cafe angstrom naive"),
        ("Straße, Œuvre & smørrebrød", "strasse oeuvre smorrebrod"),
        ("turn_on the twenty-first", "turn on the twenty first"),
        ("at 10:30 p.m.", "at p m"),
        ("ﬁve", "five"),
        ("Привет 你好", ""),
        ("", ""),
    ],
)
def test_normalize(written: str, spelled: str) -> None:
    assert normalize(written) == spelled
    assert normalize(spelled) == spelled


def test_text_survives_the_labels() -> None:
    text = normalize("The quick brown fox jumps over the lazy dog's tail")
    labels = encode(text)
    assert decode(labels) == text
    assert BLANK not in encode(ALPHABET)
    assert max(encode(ALPHABET)) == NUM_LABELS - 1


@pytest.mark.parametrize(
    ("path", "labels"),
    [
        ([], []),
        ([0, 0, 0], []),
        ([0, 3, 3, 0, 3, 5, 5], [3, 3, 5]),
        ([3, 3, 3], [3]),
        ([3, 0, 3], [3, 3]),
        ([1, 2, 2, 1, 0], [1, 2, 1]),
    ],
)
def test_collapse(path: list[int], labels: list[int]) -> None:
    assert collapse(path) == labels


@pytest.mark.parametrize(
    ("labels", "needed"),
    [([], 0), ([4], 1), ([4, 5, 6], 3), ([4] * 7, 13), ([4, 4, 5, 5], 6), ([4, 5, 4], 3)],
)
def test_feasibility_is_where_the_ctc_loss_is_finite(labels: list[int], needed: int) -> None:
    for frames in range(max(1, needed - 2), needed + 2):
        loss = torch.nn.functional.ctc_loss(
            torch.zeros(frames, 1, 8).log_softmax(-1),
            torch.tensor([labels]),
            torch.tensor([frames]),
            torch.tensor([len(labels)]),
        )
        assert ctc_feasible(labels, frames) == bool(loss.isfinite()) == (frames >= needed)
