"""Output units of the ASR probes: characters, or word pieces found by byte-pair encoding."""

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
"""Marks the space before a word, as in SentencePiece."""


class Units(Protocol):
    """Mapping between normalised text and labels; label 0 is the blank."""

    @property
    def num_labels(self) -> int:
        """Number of labels, the blank included."""

    def encode(self, text: str) -> list[int]:
        """Return the labels of a text that `normalize.normalize` has made."""

    def decode(self, labels: Sequence[int]) -> str:
        """Return the text of labels without blanks; spaces are kept as they are."""


class Characters:
    """The alphabet of `normalize` as units."""

    num_labels = NUM_LABELS

    def encode(self, text: str) -> list[int]:
        """See `Units`."""
        return encode(text)

    def decode(self, labels: Sequence[int]) -> str:
        """See `Units`."""
        return decode(labels)


class Pieces:
    """Word pieces by byte-pair encoding (Sennrich et al. 2016); no piece crosses a space."""

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
        """Save the pieces in the probe's folder."""
        write_atomic(folder / PIECES, self._model.to_str())

    @classmethod
    def load(cls, folder: Path) -> "Pieces":
        """Read the pieces that `save` wrote."""
        return cls(Tokenizer.from_file(str(folder / PIECES)))

    @classmethod
    def train(cls, texts: Iterable[str], size: int) -> "Pieces":
        """Merge the most frequent pairs of pieces until there are `size` pieces, or no pair is left.

        Raises:
            UserError: `size` is below the number of characters.
        """
        characters = [WORD_START, *ALPHABET.replace(" ", "")]
        if size < len(characters):
            raise UserError(
                f"bpe_size={size} is below the {len(characters)} single characters; use at least that many"
            )
        model = Tokenizer(BPE())
        model.pre_tokenizer = Metaspace(replacement=WORD_START, prepend_scheme="always")
        model.train_from_iterator(
            texts, BpeTrainer(vocab_size=size, initial_alphabet=characters, show_progress=False)
        )
        return cls(model)


CHARACTERS = Characters()


def units_for(config: ProbeConfig, texts: Iterable[str], folder: Path) -> Units:
    """Return the units for a training on `texts`; learned pieces are saved in its `folder`."""
    if config.units == "characters":
        return CHARACTERS
    pieces = Pieces.train(sorted(texts), config.bpe_size)
    pieces.save(folder)
    return pieces


def units_of(config: ProbeConfig, folder: Path) -> Units:
    """Load the units of the probe in `folder`."""
    return CHARACTERS if config.units == "characters" else Pieces.load(folder)
