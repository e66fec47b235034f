"""What CTC emits: characters, or pieces of words found by byte-pair encoding."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Protocol

from tokenizers import Tokenizer
from tokenizers.models import BPE
from tokenizers.pre_tokenizers import Metaspace
from tokenizers.trainers import BpeTrainer

from benchmark.errors import UserError
from benchmark.models.probes.config import ProbeConfig
from benchmark.models.probes.normalize import ALPHABET, NUM_LABELS, decode, encode
from benchmark.storage.atomic_files import write_atomic

PIECES = "units.json"
WORD_START = "▁"
"""Stands for the space before a word, as in SentencePiece."""


class Units(Protocol):
    """A way from normalised text to CTC labels and back; label 0 is the blank."""

    @property
    def num_labels(self) -> int:
        """Labels, the blank included."""

    def encode(self, text: str) -> list[int]:
        """Labels of a text that `text.normalize` has made."""

    def decode(self, labels: Sequence[int]) -> str:
        """The text of labels without blanks; spaces as they come."""


class Characters:
    """The alphabet of `text`."""

    num_labels = NUM_LABELS

    def encode(self, text: str) -> list[int]:
        """See `Units`."""
        return encode(text)

    def decode(self, labels: Sequence[int]) -> str:
        """See `Units`."""
        return decode(labels)


class Pieces:
    """Byte-pair encoding (Sennrich et al. 2016) over the alphabet, words apart, no piece across a space."""

    def __init__(self, model: Tokenizer) -> None:
        self._model = model
        self._pieces = [str(model.id_to_token(number)) for number in range(model.get_vocab_size())]

    @property
    def num_labels(self) -> int:
        """See `Units`."""
        return 1 + len(self._pieces)

    def encode(self, text: str) -> list[int]:
        """See `Units`."""
        return [1 + number for number in self._model.encode(text).ids] if text else []

    def decode(self, labels: Sequence[int]) -> str:
        """See `Units`."""
        return "".join(self._pieces[label - 1] for label in labels).replace(WORD_START, " ").strip()

    def save(self, folder: Path) -> None:
        """Keep the pieces with the probe."""
        write_atomic(folder / PIECES, self._model.to_str())

    @classmethod
    def load(cls, folder: Path) -> "Pieces":
        """Read what `save` wrote."""
        return cls(Tokenizer.from_file(str(folder / PIECES)))

    @classmethod
    def train(cls, texts: Iterable[str], size: int) -> "Pieces":
        """Merge the most frequent pairs of pieces until there are `size`, or no pair is left.

        Raises:
            UserError: `size` is below the number of characters.
        """
        characters = [WORD_START, *ALPHABET.replace(" ", "")]
        if size < len(characters):
            raise UserError(f"bpe_size={size} is below the {len(characters)} single characters")
        model = Tokenizer(BPE())
        model.pre_tokenizer = Metaspace(replacement=WORD_START, prepend_scheme="always")
        model.train_from_iterator(
            texts, BpeTrainer(vocab_size=size, initial_alphabet=characters, show_progress=False)
        )
        return cls(model)


CHARACTERS = Characters()


def units_for(config: ProbeConfig, texts: Iterable[str], folder: Path) -> Units:
    """The units of a training on `texts`, kept in its `folder` where they are learned."""
    if config.units == "characters":
        return CHARACTERS
    pieces = Pieces.train(sorted(texts), config.bpe_size)
    pieces.save(folder)
    return pieces


def units_of(config: ProbeConfig, folder: Path) -> Units:
    """The units of the probe in `folder`."""
    return CHARACTERS if config.units == "characters" else Pieces.load(folder)
