"""Whisper on CTranslate2."""

from collections.abc import Sequence
from functools import cached_property
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np

from benchmark.errors import UserError
from benchmark.extractors.asr.transcriber import MOST_TOKENS, Decoding, Transcriber
from benchmark.extractors.asr.windows import WINDOW
from benchmark.types import SAMPLE_RATE

CONTEXTS = (15.0, 20.0, WINDOW)
"""Encoder contexts in seconds, which cost half of always 30 s.

WER of tiny.en in float32 on 60 utterances of LibriSpeech test-other is 17.1, 16.5, 16.5 and 17.1 % with a
first context of 10, 15, 20 and 30 s, in 41, 56, 62 and 99 CPU seconds. On 60 short commands by eSpeak NG it
is 21.6 and 23.3 % with 10 and 15 s, in 30 and 36 CPU seconds.
"""
FRAME_RATE = 100
"""Mel frames per second."""


class FasterWhisper(Transcriber):
    """Whisper on CTranslate2, the fastest backend on a CPU.

    The encoder's cost grows with its context, so a window is padded with silence to the shortest of
    `contexts` that holds it, and is decoded only together with windows of the same context.
    """

    def __init__(
        self,
        folder: Path,
        name: str,
        batch_size: int = 8,
        device: str = "cpu",
        compute_type: str = "float32",
        contexts: Sequence[float] = CONTEXTS,
        language: str = "en",
        workers: int = 1,
    ) -> None:
        """Set the model and its decoding options.

        Args:
            folder: Folder with model.bin, config.json and tokenizer.json.
            name: Name of the model in tables.
            batch_size: Windows decoded together; changes no transcript.
            device: "cpu" or "cuda".
            compute_type: Arithmetic of CTranslate2. "int8" is a quarter faster than "float32" and
                has about two points more WER with tiny.en; "float16" is for GPUs.
            contexts: Encoder contexts in ascending seconds; the last must be 30.
            language: Language of the speech, ISO 639-1.
            workers: Batches decoded side by side on a CPU; changes no transcript.
        """
        super().__init__(folder, batch_size, language)
        self.device, self.workers = device, workers
        self.compute_type = compute_type
        self.contexts = tuple(float(seconds) for seconds in contexts)
        if list(self.contexts) != sorted(set(self.contexts)) or self.contexts[-1:] != (WINDOW,):
            raise UserError(f"ASR contexts must ascend and end in {WINDOW:g} seconds, not {contexts}")
        self.name = f"{name} (CTranslate2 {compute_type}, {_either(self.contexts)} s windows)"

    def identity(self) -> dict[str, Any]:
        """See `Transcriber.identity`."""
        return super().identity() | {"compute_type": self.compute_type, "contexts": list(self.contexts)}

    @cached_property
    def _model(self) -> Any:
        import ctranslate2

        return ctranslate2.models.Whisper(
            str(self.folder),
            device=self.device,
            compute_type=self.compute_type,
            intra_threads=1,  # sums change with the number of threads that share them
            inter_threads=self.workers if self.device == "cpu" else 1,
        )

    @cached_property
    def _tokenizer(self) -> Any:
        import tokenizers

        return tokenizers.Tokenizer.from_file(str(self.folder / "tokenizer.json"))

    @cached_property
    def _features(self) -> Any:
        from faster_whisper.feature_extractor import FeatureExtractor

        return FeatureExtractor(feature_size=self._model.n_mels)

    def _decode(self, windows: list[np.ndarray], beams: int) -> list[Decoding]:
        pending = []
        for context, members in groupby(windows, self._context if beams == 1 else lambda _: WINDOW):
            for batch in self._batches(list(members), beams):
                pending += self._submit(batch, context, beams)
        return [self._decoding(result.result()) for result in pending]

    def _context(self, window: np.ndarray) -> float:
        return next(seconds for seconds in self.contexts if len(window) <= seconds * SAMPLE_RATE)

    def _submit(self, windows: list[np.ndarray], context: float, beams: int) -> list[Any]:
        """Start decoding a batch and return the future result of each window."""
        import ctranslate2

        samples, frames = int(context * SAMPLE_RATE), int(context * FRAME_RATE)
        mels = [self._features(np.pad(w, (0, samples - len(w))), padding=0)[:, :frames] for w in windows]
        return self._model.generate(
            ctranslate2.StorageView.from_array(np.ascontiguousarray(mels, dtype=np.float32)),
            [self._prompt] * len(windows),
            beam_size=beams,
            max_length=2 * MOST_TOKENS,  # CTranslate2 reserves half of max_length for the text
            return_scores=True,
            return_no_speech_prob=True,
            asynchronous=True,
        )

    def _decoding(self, result: Any) -> Decoding:
        [tokens] = result.sequences_ids
        # The score is a mean over the text tokens alone, but its sum includes the end token.
        mean = result.scores[0] * len(tokens) / (len(tokens) + 1)
        text = self._tokenizer.decode(tokens, skip_special_tokens=True).strip()
        return Decoding(text, mean, result.no_speech_prob, len(tokens) >= MOST_TOKENS)

    @cached_property
    def _prompt(self) -> list[int]:
        language = [f"<|{self.language}|>", "<|transcribe|>"] if self._is_multilingual else []
        names = ["<|startoftranscript|>", *language, "<|notimestamps|>"]
        tokens = [self._tokenizer.token_to_id(name) for name in names]
        if None in tokens:
            raise UserError(f"{self.name} does not support the language {self.language!r}")
        return tokens

    @property
    def _is_multilingual(self) -> bool:
        return self._model.is_multilingual


def _either(contexts: Sequence[float]) -> str:
    return " or ".join(", ".join(f"{seconds:g}" for seconds in contexts).rsplit(", ", 1))
