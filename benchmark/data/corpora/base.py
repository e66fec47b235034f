"""What every corpus offers: one manifest per split."""

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
    """A dataset config builds one of these; its fields are the yaml's keys.

    Attributes:
        name: Column label of the dataset in rows and tables.
        version: Raise it when the code changes what a manifest holds: old manifests are then ignored.
    """

    version: ClassVar[int] = 1

    name: str

    @abstractmethod
    def identity(self, split: str) -> dict[str, Any]:
        """Everything the content of the manifest depends on, wherever the audio lies; JSON-able, cheap.

        Raises:
            UserError: an unknown split or a missing folder.
        """
        return {
            "class": uid_of(type(self)),
            "version": self.version,
            "split": split,
        }

    @property
    def foreign_splits(self) -> tuple[str, ...]:
        """Splits in other languages than test's, for conversion across languages."""
        return ()

    @property
    def prompt_split(self) -> str | None:
        """Split of the recordings that prompt those of test, where the corpus comes with a list of them."""
        return None

    def listed_prompts(self, store: ArtifactStore) -> dict[str, Utterance] | None:  # noqa: ARG002
        """Recording of the same speaker that prompts each test utterance; None without `prompt_split`."""
        return None

    def bare_intents(self, split: str) -> int:  # noqa: ARG002
        """Sentences of a split whose published intent lacks its scenario, which is put back."""
        return 0

    def phones(self, split: str) -> Iterator[tuple[str, list[str], np.ndarray]] | None:  # noqa: ARG002
        """Id, phones ("" for silence) and their ends in seconds of every utterance, where exactly known."""
        return None

    def split_label(self, split: str) -> str:
        """How rows and tables call a split."""
        return split

    def expected(self, split: str) -> tuple[int, float] | None:  # noqa: ARG002
        """Utterances and hours of a split as far as known without its manifest, for plans; None: unknown."""
        return None

    def location(self) -> str | None:
        """Folder of the audio, None where `build` makes it: a manifest holds paths into it."""
        return None

    @abstractmethod
    def build(self, split: str, folder: Path) -> Manifest:
        """Make the manifest; audio made on the way goes below `folder`."""

    def manifest(self, split: str, store: ArtifactStore) -> Manifest:
        """The manifest of a split such as "train", "dev" or "test", built once and kept in the store."""
        folder = store.get(
            "manifests",
            {**self.identity(split), "location": self.location(), "format": FORMAT},
            lambda folder: self.build(split, folder).save(folder / MANIFEST),
        )
        return Manifest.load(folder / MANIFEST)
