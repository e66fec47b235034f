"""Where the phones of a split come from."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

from benchmark.data.corpora.base import Corpus
from benchmark.extractors.phones.segments import SILENCE, Phones, joined
from benchmark.storage.artifacts import ArtifactStore
from benchmark.storage.identity import describe


@dataclass(kw_only=True)
class Aligner(ABC):
    """Base of every aligner; its fields are the keys of its yaml.

    Attributes:
        version: Raise it when the code changes what phones come out.
    """

    version: ClassVar[int] = 1

    @property
    @abstractmethod
    def source(self) -> str:
        """Where the phones come from, in words for the definition of a metric."""

    def identity(self) -> dict[str, Any]:
        """Everything besides the manifest that the phones depend on, JSON-able.

        Raises: UserError when weights are missing.
        """
        return describe(self) | {"version": self.version}

    @abstractmethod
    def align(
        self, corpus: Corpus, split: str, store: ArtifactStore, device: str
    ) -> Iterator[tuple[str, Phones | str]] | None:
        """Id and phones of every utterance, or why it has none, in any order; None without any phones.

        Raises: UserError when weights are missing.
        """


@dataclass(kw_only=True)
class KnownPhones(Aligner):
    """What the corpus itself knows of its phones, exactly; most know nothing."""

    @property
    def source(self) -> str:
        """See `Aligner.source`."""
        return "phones known exactly by the corpus"

    def align(
        self,
        corpus: Corpus,
        split: str,
        store: ArtifactStore,  # noqa: ARG002
        device: str,  # noqa: ARG002
    ) -> Iterator[tuple[str, Phones]] | None:
        """See `Aligner.align`."""
        known = corpus.phones(split)
        if known is None:
            return None
        return ((name, joined([label or SILENCE for label in labels], ends)) for name, labels, ends in known)
