"""Characters as CTC labels: the alphabet, the way into it and out of it."""

import re
import unicodedata
from collections.abc import Sequence
from itertools import groupby, pairwise

BLANK = 0
ALPHABET = " 'abcdefghijklmnopqrstuvwxyz"
NUM_LABELS = 1 + len(ALPHABET)
"""Blank and the characters."""

_LABELS = {character: label for label, character in enumerate(ALPHABET, start=1)}
_RESPELLED = str.maketrans(
    {"’": "'", "ʼ": "'", "æ": "ae", "œ": "oe", "ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th"}
)
_FOREIGN = re.compile(f"[^{ALPHABET}]+")


def normalize(text: str) -> str:
    """Spell `text` in lower-case letters, apostrophes and single spaces.

    Letters with diacritics lose them (é → e), ligatures and Nordic letters are respelled (æ → ae,
    ß → ss). Anything else, digits and other scripts included, becomes a space: transcripts with
    digits must be written out beforehand.
    """
    folded = unicodedata.normalize("NFKD", text.casefold().translate(_RESPELLED))
    plain = "".join(character for character in folded if not unicodedata.combining(character))
    return " ".join(_FOREIGN.sub(" ", plain).split())


def encode(text: str) -> list[int]:
    """Labels of a text that `normalize` has made; none is the blank."""
    return [_LABELS[character] for character in text]


def decode(labels: Sequence[int]) -> str:
    """The text of labels without blanks."""
    return "".join(ALPHABET[label - 1] for label in labels)


def collapse(path: Sequence[int]) -> list[int]:
    """Labels of a frame-wise path: repetitions merged, then blanks removed (Graves et al. 2006)."""
    return [label for label, _ in groupby(path) if label != BLANK]


def ctc_feasible(labels: Sequence[int], frames: int) -> bool:
    """Whether any path of `frames` frames yields `labels`: a blank must part every repetition."""
    repeats = sum(a == b for a, b in pairwise(labels))
    return frames >= len(labels) + repeats
