"""Extractors: fixed models and algorithms that derive pitch, spectra, a voice or a text from a recording.

Values of original recordings depend on no tokenizer, so they are computed once and kept for all tokenizers.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Literal

import numpy as np

from benchmark.data.audio import AudioError
from benchmark.extractors.libraries import require
from benchmark.storage.hashing import digest
from benchmark.storage.identity import describe

Side = Literal["reference", "decoded", "prompt"]
"""Role of a recording: original, decoded from its codes, or prompt whose voice the decoded speech takes."""

Value = np.ndarray | str
"""Array (frames, width), or a text."""

Batch = Callable[[Sequence[np.ndarray]], list[Value | AudioError]]
"""Function from clips, float32 (T,) at 16 kHz, to one value per clip, or the reason why it has none."""


@dataclass(frozen=True, kw_only=True)
class Extractor(ABC):
    """Base class of all extractors; the fields of a subclass are its parameters.

    Attributes:
        kind: Family folder in the artifact store.
        width: Numbers per frame; 1 for a text, whose frames are bytes.
        dtype: Type in which values are kept and returned.
        library: Library needed beyond this package's own requirements; empty for none.
        extra: Extra of this package that installs `library`.
        batched: True if a model processes clips in batches on a device; see `load`.
        version: Version of the code, to be raised when a change alters values.
    """

    kind: ClassVar[str]
    width: ClassVar[int] = 1
    dtype: ClassVar[str] = "float32"
    library: ClassVar[str] = ""
    extra: ClassVar[str] = ""
    batched: ClassVar[bool] = False
    version: ClassVar[int] = 1

    def identity(self) -> dict[str, Any]:
        """Return everything that a value depends on besides the audio, JSON-able."""
        return describe(self) | {"version": self.version}

    @cached_property
    def key(self) -> str:
        """Digest of `identity`.

        Raises:
            UserError: the library is not installed.
        """
        if self.library:
            require(self.library, self.extra)
        return digest(self.identity())

    @abstractmethod
    def load(self, device: str) -> Batch:
        """Return the function that extracts values from clips, with any model loaded on `device`.

        Raises:
            UserError: a model is missing.
        """

    def pack(self, value: Value) -> np.ndarray:
        """Return a value as frames (frames, width)."""
        if isinstance(value, str):
            return np.frombuffer(value.encode(), np.uint8)[:, None]
        return np.asarray(value, self.dtype).reshape(-1, self.width)

    def unpack(self, frames: np.ndarray) -> Value:
        """Return the value that `pack` turned into these frames."""
        return frames.tobytes().decode() if self.dtype == "uint8" else frames


@dataclass(frozen=True, kw_only=True)
class SignalExtractor(Extractor):
    """Base class of extractors without a model, which process one clip at a time on any core."""

    @abstractmethod
    def extract(self, wav: np.ndarray) -> np.ndarray:
        """Return the value (frames, width) of a clip, float32 (T,) at 16 kHz.

        Raises:
            ValueError: the clip has no value.
        """

    def load(self, device: str) -> Batch:  # noqa: ARG002
        """See `Extractor.load`."""

        def work(wavs: Sequence[np.ndarray]) -> list[Value | AudioError]:
            return [self._or_reason(wav) for wav in wavs]

        return work

    def _or_reason(self, wav: np.ndarray) -> Value | AudioError:
        try:
            return self.pack(self.extract(wav))
        except ValueError as error:
            return AudioError(str(error))


@dataclass(frozen=True, kw_only=True)
class ModelExtractor(Extractor):
    """Base class of extractors that are pretrained models."""

    batched: ClassVar[bool] = True
