"""What every corpus offers: one manifest per split."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmark.artifacts import ArtifactStore
from benchmark.data.manifest import Manifest


@dataclass(kw_only=True)
class Corpus(ABC):
    """A dataset config builds one of these; its fields are the yaml's keys."""

    name: str

    @abstractmethod
    def identity(self, split: str) -> dict[str, Any]:
        """Everything the manifest of `split` depends on, JSON-able and cheap to compute.

        Raises: UserError for an unknown split or a missing folder.
        """

    @abstractmethod
    def build(self, split: str, folder: Path) -> Manifest:
        """Make the manifest; audio made on the way goes below `folder`."""

    def manifest(self, split: str, store: ArtifactStore) -> Manifest:
        """The manifest of "train", "dev" or "test", built once and kept in the store."""
        folder = store.get(
            "manifests",
            self.identity(split),
            lambda folder: self.build(split, folder).save(folder / "manifest.parquet"),
        )
        return Manifest.load(folder / "manifest.parquet")
