"""Byte-pair encoding of sequences of integers (acoustic BPE: Shen et al. 2024, arXiv 2310.14580).

The pair of neighbours that occurs most often becomes a new token, until the vocabulary is full. The library
`tokenizers` learns and applies the merges. It works on text, so each integer becomes one character, and each
utterance one word: without a normaliser and without a pre-tokeniser the library changes and splits nothing.
"""

import json
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer
from tokenizers.models import BPE
from tokenizers.trainers import BpeTrainer

from benchmark.errors import UserError

FIRST = 0x10000
"""Character of the integer 0. From here on every code point is a character: surrogates lie below."""
MOST = 0x110000 - FIRST
"""Largest alphabet, 1,048,576 integers: one for each character that there is."""
LEAST_COUNT = 2
"""Occurrences of a pair that a merge needs; a pair that occurs once is no pattern."""


class BytePairs:
    """Merges of integers: encodes a sequence of integers to fewer tokens, and decodes it without loss.

    Tokens below the size of the alphabet are the integers themselves. The others are numbered in the order
    of their merges.
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer

    @classmethod
    def learn(cls, sequences: Iterable[np.ndarray], alphabet: int, vocabulary: int) -> "BytePairs":
        """Learn merges; the same sequences in any order give the same merges.

        The sequences are read one at a time. The library holds every one of them as a list of symbols with
        the places of each pair: 150 to 200 bytes per integer at its peak.

        Args:
            sequences: Integers from 0 to `alphabet` - 1, (N,) for each utterance. No merge crosses from one
                utterance to another.
            alphabet: Number of different integers. All of them are tokens, whether they occur or not.
            vocabulary: Number of tokens at which to stop. The merges end before if no pair occurs
                `LEAST_COUNT` times.

        Raises: UserError if the vocabulary is below the alphabet, or the alphabet has too many integers.
        """
        if not 0 < alphabet <= MOST:
            raise UserError(f"an alphabet of {alphabet:,} codes; byte-pair encoding takes 1 to {MOST:,}")
        if vocabulary < alphabet:
            raise UserError(
                f"a vocabulary of {vocabulary:,} is below the alphabet of {alphabet:,} codes, which are all "
                f"tokens; give at least {alphabet:,}"
            )
        tokenizer = Tokenizer(BPE())
        trainer = BpeTrainer(
            vocab_size=vocabulary,
            min_frequency=LEAST_COUNT,
            initial_alphabet=[chr(FIRST + code) for code in range(alphabet)],
            show_progress=False,
        )
        tokenizer.train_from_iterator(map(_text, sequences), trainer)
        return cls(tokenizer)

    @property
    def vocabulary(self) -> int:
        """Number of tokens."""
        return self._tokenizer.get_vocab_size()

    def first(self, vocabulary: int) -> "BytePairs":
        """Return the merges up to a smaller vocabulary, as learned for it; none below the alphabet."""
        model = json.loads(self._tokenizer.to_str())["model"]
        tokens = {text: n for text, n in model["vocab"].items() if n < vocabulary or len(text) == 1}
        merges = [(first, second) for first, second in model["merges"] if first + second in tokens]
        return BytePairs(Tokenizer(BPE(vocab=tokens, merges=merges)))

    def encode(self, sequence: np.ndarray) -> np.ndarray:
        """Return the tokens of a sequence of integers (N,), at most N."""
        return np.array(self._tokenizer.encode(_text(sequence)).ids, np.int64)

    def decode(self, tokens: np.ndarray) -> np.ndarray:
        """Return the sequence of integers that `encode` made tokens of."""
        text = "".join(self._texts[token] for token in tokens)
        return np.frombuffer(text.encode("utf-32-le"), "<u4").astype(np.int64) - FIRST

    def save(self, path: Path) -> None:
        """Write the merges as JSON in the library's own format."""
        self._tokenizer.save(str(path), pretty=False)

    @classmethod
    def load(cls, path: Path) -> "BytePairs":
        """Read what `save` wrote."""
        return cls(Tokenizer.from_file(str(path)))

    @cached_property
    def _texts(self) -> list[str]:
        known = self._tokenizer.get_vocab()
        return sorted(known, key=known.__getitem__)


def _text(sequence: np.ndarray) -> str:
    return (np.asarray(sequence) + FIRST).astype("<u4").tobytes().decode("utf-32-le")
