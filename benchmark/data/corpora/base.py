"""The interface of all corpora: one manifest per split."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from benchmark.data.manifest import FORMAT, Manifest
from benchmark.storage.artifacts import ArtifactStore
from benchmark.storage.identity import uid_of
from benchmark.types import Utterance

MANIFEST = "manifest.arrow"


@dataclass(kw_only=True)
class Corpus(ABC):
    """Base class of all corpora; the fields of a subclass are the keys of the dataset's yaml.

    Attributes:
        name: Label of the dataset in rows and tables.
        version: Version of the code, to be raised when a change alters manifests; old ones are then ignored.
    """

    version: ClassVar[int] = 1

    name: str

    @abstractmethod
    def identity(self, split: str) -> dict[str, Any]:
        """Return everything the manifest's content depends on, except where the audio lies; JSON-able.

        Implementations must be cheap.

        Raises:
            UserError: the split is unknown or a folder is missing.
        """
        return {
            "class": uid_of(type(self)),
            "version": self.version,
            "split": split,
        }

    @property
    def foreign_splits(self) -> tuple[str, ...]:
        """Test splits in other languages, for cross-lingual voice conversion."""
        return ()

    @property
    def prompt_split(self) -> str | None:
        """Split of the recordings that prompt those of test; None if the corpus has no list of prompts."""
        return None

    def listed_prompts(self, store: ArtifactStore) -> dict[str, Utterance] | None:  # noqa: ARG002
        """Return the prompt, by the same speaker, of each test utterance; None without `prompt_split`."""
        return None

    def bare_intents(self, split: str) -> int:  # noqa: ARG002
        """Return the number of sentences of a split whose published intent lacks its scenario.

        The scenario of these intents is restored.
        """
        return 0

    def phones(self, split: str) -> Iterator[tuple[str, list[str], np.ndarray]] | None:  # noqa: ARG002
        """Yield id, phones ("" for silence) and ends in seconds of every utterance; None if not known."""
        return None

    def split_label(self, split: str) -> str:
        """Return the label of a split in rows and tables."""
        return split

    def expected(self, split: str) -> tuple[int, float] | None:  # noqa: ARG002
        """Utterances and hours of a split as far as known without its manifest, for plans; None: unknown."""
        return None

    def location(self) -> str | None:
        """Return the folder of the audio that manifests point to; None if `build` makes the audio."""
        return None

    @abstractmethod
    def build(self, split: str, folder: Path) -> Manifest:
        """Build the manifest; any audio made in the process goes below `folder`."""

    def manifest(self, split: str, store: ArtifactStore) -> Manifest:
        """Return the manifest of a split such as "train", built once and kept in the store."""
        folder = store.get(
            "manifests",
            {**self.identity(split), "location": self.location(), "format": FORMAT},
            lambda folder: self.build(split, folder).save(folder / MANIFEST),
        )
        return Manifest.load(folder / MANIFEST)
