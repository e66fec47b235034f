"""ASR by Whisper: transcripts that are deterministic and independent of the other clips in a batch.

Both backends decode greedily, in a given language, without timestamps, temperature fallback, voice activity
detection or conditioning on earlier text. Clips above 30 s are cut into windows of 30 s. Whisper sometimes
repeats itself until its decoder is full. A transcript therefore ends after as many tokens as speech of that
length can hold; otherwise one such loop would weigh as much as a hundred words.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmark.errors import UserError
from benchmark.storage.weights import weights_digest
from benchmark.types import SAMPLE_RATE

WINDOW = 30.0
"""Length in seconds of the windows that Whisper was trained on."""
TOKENS_PER_SECOND = 10
"""Upper limit on the tokens in a second of speech; fast English has 4 words of 1.3 tokens each."""
MAX_TOKENS = 224
"""Whisper's own limit on the text tokens of one window, half of its decoder context."""


def token_limit(samples: int) -> int:
    """Return the upper limit on the text tokens of a window with this many samples of speech."""
    return min(MAX_TOKENS, 10 + TOKENS_PER_SECOND * samples // SAMPLE_RATE)


class Transcriber(ABC):
    """Base class of the Whisper backends, which convert speech to text.

    Attributes:
        name: Name of the model in tables.
    """

    version = 1
    name: str

    def __init__(self, folder: Path, batch_size: int, language: str = "en") -> None:
        """Set the folder of the model, which is loaded on first use."""
        if batch_size < 1:
            raise UserError(f"ASR batch_size must be at least 1, not {batch_size}")
        self.folder = folder
        self.batch_size = batch_size
        self.language = language

    def identity(self) -> dict[str, Any]:
        """Return everything that transcripts depend on besides the audio, JSON-able."""
        told = {} if self.language == "en" else {"language": self.language}
        return {
            "class": type(self).__name__,
            "version": self.version,
            "weights": weights_digest(self.folder),
            "tokens_per_second": TOKENS_PER_SECOND,
        } | told

    def transcribe(self, wavs: Sequence[np.ndarray]) -> list[str]:
        """Transcribe clips.

        Args:
            wavs: Float32 (T,) at 16 kHz, of any length; an empty clip gives an empty transcript.

        Returns:
            One text per clip in Whisper's spelling, not normalised.

        Raises:
            UserError: the model does not support the language.
        """
        if self.language != "en" and not self._is_multilingual:
            raise UserError(f"{self.name} transcribes English only, not {self.language!r}")
        size = int(WINDOW * SAMPLE_RATE)
        windows = [(clip, w[at : at + size]) for clip, w in enumerate(wavs) for at in range(0, len(w), size)]
        by_length = sorted(range(len(windows)), key=lambda index: len(windows[index][1]))
        texts = self._decode([windows[index][1] for index in by_length])
        parts: list[list[str]] = [[] for _ in wavs]
        for index, text in sorted(zip(by_length, texts, strict=True)):
            parts[windows[index][0]].append(text.strip())
        return [" ".join(part for part in clip if part) for clip in parts]

    @property
    def _is_multilingual(self) -> bool:
        return True

    @abstractmethod
    def _decode(self, windows: list[np.ndarray]) -> list[str]:
        """Transcribe non-empty windows of at most 30 s, given in ascending order of length."""
