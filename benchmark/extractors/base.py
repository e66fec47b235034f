"""What a fixed model or algorithm derives from one recording: pitch, spectra, a voice, a transcript.

Of an original it depends on no tokenizer, so it is made once and kept for all of them.
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
"""The original, what was made of its codes, and the recording whose voice it was given."""

Value = np.ndarray | str
"""(frames, width), or a text."""

Batch = Callable[[Sequence[np.ndarray]], list[Value | AudioError]]
"""From clips, float32 (T,) at 16 kHz, to a value each, or why there is none."""


@dataclass(frozen=True, kw_only=True)
class Extractor(ABC):
    """Base of all; its fields are its parameters.

    Attributes:
        kind: Folder of the artifact store.
        width: Numbers in a frame; 1 for a text, of which a frame is a byte.
        dtype: As it is kept, and as every caller gets it.
        library: That it needs beyond this package's own, from the extra `extra`; empty for none.
        batched: Whether a model does it, by batches and on a device, see `load`.
        version: Raise it when the code changes a value.
    """

    kind: ClassVar[str]
    width: ClassVar[int] = 1
    dtype: ClassVar[str] = "float32"
    library: ClassVar[str] = ""
    extra: ClassVar[str] = ""
    batched: ClassVar[bool] = False
    version: ClassVar[int] = 1

    def identity(self) -> dict[str, Any]:
        """Everything that a value depends on but the audio, JSON-able."""
        return describe(self) | {"version": self.version}

    @cached_property
    def key(self) -> str:
        """Digest of `identity`; raises UserError where the library is not installed."""
        if self.library:
            require(self.library, self.extra)
        return digest(self.identity())

    @abstractmethod
    def load(self, device: str) -> Batch:
        """What does the work, made ready once for many clips.

        Raises: UserError when a model is not at hand.
        """

    def pack(self, value: Value) -> np.ndarray:
        """A value as frames (frames, width)."""
        if isinstance(value, str):
            return np.frombuffer(value.encode(), np.uint8)[:, None]
        return np.asarray(value, self.dtype).reshape(-1, self.width)

    def unpack(self, frames: np.ndarray) -> Value:
        """What `pack` was given."""
        return frames.tobytes().decode() if self.dtype == "uint8" else frames


@dataclass(frozen=True, kw_only=True)
class SignalExtractor(Extractor):
    """An extractor without a model, by one clip at a time and on any core."""

    @abstractmethod
    def extract(self, wav: np.ndarray) -> np.ndarray:
        """The value (frames, width) of a clip, float32 (T,) at 16 kHz.

        Raises: ValueError for a clip that has none.
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
    """An extractor that is a pretrained model."""

    batched: ClassVar[bool] = True
