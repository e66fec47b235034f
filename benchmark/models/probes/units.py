"""Output units of the ASR probes: one of two sets of characters, or word pieces by byte-pair encoding."""

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


class CharactersAndEnds:
    """The 31 units of DASB's LibriSpeech recipe, in which the survey's ASR probe writes.

    The 28 characters of `normalize` follow the blank and the marks of the two ends of a sentence, as in a
    character model of SentencePiece whose piece for unknown characters is the blank. No transcript holds a
    mark; an emitted one spells nothing.
    """

    symbols = ("<blank>", "<s>", "</s>", *ALPHABET)
    num_labels = len(symbols)
    _added = num_labels - NUM_LABELS

    def encode(self, text: str) -> list[int]:
        """See `Units`."""
        return [label + self._added for label in encode(text)]

    def decode(self, labels: Sequence[int]) -> str:
        """See `Units`."""
        return decode([label - self._added for label in labels if label > self._added])


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
FIXED: dict[str, Units] = {"characters": CHARACTERS, "characters_31": CharactersAndEnds()}
"""Units that no training has to find, by their name in a config."""


def units_for(config: ProbeConfig, texts: Iterable[str], folder: Path) -> Units:
    """Return the units for a training on `texts`; learned pieces are saved in its `folder`."""
    if config.units in FIXED:
        return FIXED[config.units]
    pieces = Pieces.train(sorted(texts), config.bpe_size)
    pieces.save(folder)
    return pieces


def units_of(config: ProbeConfig, folder: Path) -> Units:
    """Load the units of the probe in `folder`."""
    return FIXED[config.units] if config.units in FIXED else Pieces.load(folder)
