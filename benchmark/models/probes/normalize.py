"""Characters as CTC labels: the alphabet, and conversion from text to labels and back."""

import re
import unicodedata
from collections.abc import Sequence
from itertools import groupby, pairwise

BLANK = 0
ALPHABET = " 'abcdefghijklmnopqrstuvwxyz"
NUM_LABELS = 1 + len(ALPHABET)
"""The blank and the characters."""

_LABELS = {character: label for label, character in enumerate(ALPHABET, start=1)}
_RESPELLED = str.maketrans(
    {"’": "'", "ʼ": "'", "æ": "ae", "œ": "oe", "ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th"}
)
_FOREIGN = re.compile(f"[^{ALPHABET}]+")


def normalize(text: str) -> str:
    """Spell `text` in lower-case letters, apostrophes and single spaces.

    Letters lose their diacritics (é → e); ligatures and Nordic letters are respelled (æ → ae, ß → ss).
    Anything else becomes a space, including digits and other scripts: transcripts with digits must be written
    out beforehand.
    """
    folded = unicodedata.normalize("NFKD", text.casefold().translate(_RESPELLED))
    plain = "".join(character for character in folded if not unicodedata.combining(character))
    return " ".join(_FOREIGN.sub(" ", plain).split())


def encode(text: str) -> list[int]:
    """Return the labels of a text that `normalize` has made; none of them is the blank."""
    return [_LABELS[character] for character in text]


def decode(labels: Sequence[int]) -> str:
    """Return the text of labels without blanks."""
    return "".join(ALPHABET[label - 1] for label in labels)


def collapse(path: Sequence[int]) -> list[int]:
    """Return the labels of a frame-wise path: merge repetitions, then remove blanks (Graves et al. 2006)."""
    return [label for label, _ in groupby(path) if label != BLANK]


def ctc_feasible(labels: Sequence[int], frames: int) -> bool:
    """Return whether a path of `frames` frames can yield `labels`: a blank must separate equal neighbours."""
    repeats = sum(a == b for a, b in pairwise(labels))
    return frames >= len(labels) + repeats
