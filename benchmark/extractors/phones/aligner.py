"""The interface of aligners, which give the phones of a split with their times."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

from benchmark.data.corpora.base import Corpus
from benchmark.extractors.phones.segments import SILENCE, Phones, join_spans
from benchmark.storage.artifacts import ArtifactStore
from benchmark.storage.identity import describe


@dataclass(kw_only=True)
class Aligner(ABC):
    """Base class of all aligners; the fields of a subclass are the keys of its yaml.

    Attributes:
        version: Version of the code, to be raised when a change alters the phones.
    """

    version: ClassVar[int] = 1

    @property
    @abstractmethod
    def source(self) -> str:
        """Origin of the phones in words, for the definition of a metric."""

    def identity(self) -> dict[str, Any]:
        """Return everything besides the manifest that the phones depend on, JSON-able.

        Raises:
            UserError: weights are missing.
        """
        return describe(self) | {"version": self.version}

    @abstractmethod
    def align(
        self, corpus: Corpus, split: str, store: ArtifactStore, device: str
    ) -> Iterator[tuple[str, Phones | str]] | None:
        """Yield the id and phones, or the reason for having none, of every utterance, in any order.

        The result is None if the aligner has no phones for the corpus at all.

        Raises:
            UserError: weights are missing.
        """


@dataclass(kw_only=True)
class KnownPhones(Aligner):
    """Exact phones from the corpus itself, which most corpora lack."""

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
        return (
            (name, join_spans([label or SILENCE for label in labels], ends)) for name, labels, ends in known
        )
