"""ASR by Whisper: transcripts that are deterministic and independent of the other clips in a batch.

Every backend decodes greedily, in a given language, without timestamps, voice activity detection or
conditioning on earlier text. A transcript that has failed by the thresholds of Whisper's own recipe
(Radford et al. 2022, section 4.5) is decoded again, from a window padded to 30 s, by beam search.

The recipe samples at rising temperatures instead. CTranslate2 cannot repeat a sample: each of its threads
draws from a generator of its own, which `set_random_seed` does not reset. Beam search in a window of the
length that Whisper was trained on needs no chance, and mends most loops.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmark.errors import UserError
from benchmark.extractors.asr.heard import Heard
from benchmark.extractors.asr.loops import MOST_COMPRESSION, MOST_REPEATED_WORDS, cut_loops, loops
from benchmark.extractors.asr.windows import WINDOW, halve, split
from benchmark.storage.weights import weights_digest
from benchmark.types import SAMPLE_RATE

LEAST_LOG_PROBABILITY = -1.0
"""Mean log-probability of the tokens below which a transcript has failed."""
MOST_NO_SPEECH = 0.6
"""Probability of no speech above which a failed transcript is taken for silence."""
BEAMS = 5
"""Beams of the second decoding, as in Whisper's paper."""
MOST_PROMPT_TOKENS = 4
"""Upper limit on the tokens of a prompt: start, language, task, no timestamps."""
MOST_TOKENS = 448 - MOST_PROMPT_TOKENS
"""Text tokens of a window that Whisper's decoder has places for.

Whisper's own code stops at 224, because the text before a window may take the other half. Fluent Bengali has
24 tokens per second and Georgian 34, so 224 tokens would cut their transcripts after seven to nine seconds.
"""
SHORTEST_HALVED = 4 * SAMPLE_RATE
"""Samples above which a window is halved when its text fills the decoder."""
RECIPE = (
    f"decoded again from {WINDOW:g} s by a beam search of {BEAMS} where the text loops (zlib ratio above "
    f"{MOST_COMPRESSION:g}, or more than {MOST_REPEATED_WORDS} words said again at once) or its mean "
    f"log-probability is below {LEAST_LOG_PROBABILITY:g}; of a loop that stays, one copy counts; no text "
    f"where the latter holds and the probability of no speech is above {MOST_NO_SPEECH:g}"
)
"""The rule for transcripts that have failed, for definitions."""


class Decoding(NamedTuple):
    """Text of one window as the decoder gave it.

    Attributes:
        text: The text in Whisper's spelling.
        log_probability: Mean over the text's tokens and the end token.
        no_speech: Probability of no speech, in 0 to 1.
        is_full: True if the decoder had no place for more tokens.
    """

    text: str
    log_probability: float
    no_speech: float
    is_full: bool

    @property
    def is_silence(self) -> bool:
        """True if the window is taken to hold no speech."""
        return self.log_probability < LEAST_LOG_PROBABILITY and self.no_speech > MOST_NO_SPEECH

    @property
    def has_failed(self) -> bool:
        """True if the window must be decoded again."""
        return not self.is_silence and (self.log_probability < LEAST_LOG_PROBABILITY or loops(self.text))


class Transcriber(ABC):
    """Base class of the Whisper backends, which convert speech to text.

    Attributes:
        name: Name of the model in tables.
    """

    version = 2
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
        } | told

    def transcribe(self, wavs: Sequence[np.ndarray]) -> list[Heard]:
        """Transcribe clips.

        Args:
            wavs: Float32 (T,) at 16 kHz, of any length; an empty clip gives an empty transcript.

        Returns:
            One transcript per clip in Whisper's spelling, not normalised. The remarks are "looped" where a
            text looped at first, "cut" where the better one still does, and "emptied" where it is taken for
            silence.

        Raises:
            UserError: the model does not support the language.
        """
        if self.language != "en" and not self._is_multilingual:
            raise UserError(f"{self.name} transcribes English only, not {self.language!r}")
        windows = [(clip, window) for clip, wav in enumerate(wavs) for window in split(wav)]
        parts: list[list[Heard]] = [[] for _ in wavs]
        heard = self._hear([window for _, window in windows])
        for (clip, _), part in zip(windows, heard, strict=True):
            parts[clip].append(part)
        return [Heard.join(clip) for clip in parts]

    def _hear(self, windows: Sequence[np.ndarray]) -> list[Heard]:
        """Transcribe non-empty windows of at most 30 s."""
        first = self._search(windows, beams=1)
        failed = [at for at, found in enumerate(first) if found.has_failed]
        again = self._search([windows[at] for at in failed], beams=BEAMS)
        second = dict(zip(failed, again, strict=True))
        return [self._settle(windows[at], found, second.get(at, found)) for at, found in enumerate(first)]

    def _search(self, windows: Sequence[np.ndarray], beams: int) -> list[Decoding]:
        order = sorted(range(len(windows)), key=lambda at: len(windows[at]))
        found = self._decode([windows[at] for at in order], beams) if order else []
        return [decoding for _, decoding in sorted(zip(order, found, strict=True), key=lambda pair: pair[0])]

    def _settle(self, window: np.ndarray, first: Decoding, second: Decoding) -> Heard:
        """Return the better text of two, in parts if it fills the decoder, and without loops."""
        best = max(second, first, key=lambda found: (not loops(found.text), found.log_probability))
        looped = ("looped",) if loops(first.text) else ()
        if best.is_silence:
            return Heard("", (*looped, *(["emptied"] if best.text else [])))
        if loops(best.text):
            return Heard(cut_loops(best.text), (*looped, "cut"))
        if best.is_full and len(window) > SHORTEST_HALVED:
            return Heard.join(self._hear(halve(window)))
        return Heard(best.text, looped)

    @property
    def _is_multilingual(self) -> bool:
        return True

    @abstractmethod
    def _decode(self, windows: list[np.ndarray], beams: int) -> list[Decoding]:
        """Decode non-empty windows of at most 30 s, given in ascending order of length.

        Args:
            windows: Float32 (T,) at 16 kHz.
            beams: 1 for a greedy search. More beams search windows padded to 30 s, one window at a time, so
                that no near tie depends on the other windows of a batch.
        """

    def _batches(self, windows: list[np.ndarray], beams: int) -> Iterator[list[np.ndarray]]:
        """Yield the windows that are decoded together."""
        size = self.batch_size if beams == 1 else 1
        return (windows[start : start + size] for start in range(0, len(windows), size))
