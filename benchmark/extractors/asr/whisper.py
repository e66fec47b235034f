"""The two backends of Whisper: CTranslate2 and transformers."""

from collections.abc import Iterator, Sequence
from functools import cached_property
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np

from benchmark.errors import UserError
from benchmark.extractors.asr.transcriber import WINDOW, Transcriber, token_limit
from benchmark.storage.checkpoints import resolve
from benchmark.storage.weights import whisper_backend
from benchmark.types import SAMPLE_RATE

CONTEXTS = (10.0, 20.0, WINDOW)
"""Encoder contexts in seconds, which cost a quarter to a third of always 30 s.

WER of tiny.en in float32 with these contexts, and with always 30 s: 17.9 and 16.9 % on 60 utterances of
LibriSpeech test-other, 39.4 and 42.8 % on the same with white noise at 5 dB, 25.8 and 32.0 % on 96 short
commands by eSpeak NG. A context of 5 s would raise the first WER to 28.1 %.
"""
FRAME_RATE = 100
"""Mel frames per second."""
MOST_PROMPT_TOKENS = 4
"""Upper limit on the tokens of a prompt: start, language, task, no timestamps."""


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
        self.name = f"{name} (CTranslate2 {compute_type})"

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

    def _decode(self, windows: list[np.ndarray]) -> list[str]:
        pending = []
        for context, members in groupby(windows, self._context):
            for batch in _batches(list(members), self.batch_size):
                pending += self._submit(batch, context)
        return [
            self._tokenizer.decode(result.result().sequences_ids[0][:limit], skip_special_tokens=True)
            for limit, result in pending
        ]

    def _context(self, window: np.ndarray) -> float:
        return next(seconds for seconds in self.contexts if len(window) <= seconds * SAMPLE_RATE)

    def _submit(self, windows: list[np.ndarray], context: float) -> list[tuple[int, Any]]:
        """Start decoding a batch and return the token limit and the future result of each window."""
        import ctranslate2

        samples, frames = int(context * SAMPLE_RATE), int(context * FRAME_RATE)
        mels = [self._features(np.pad(w, (0, samples - len(w))), padding=0)[:, :frames] for w in windows]
        limits = [token_limit(len(window)) for window in windows]
        results = self._model.generate(
            ctranslate2.StorageView.from_array(np.ascontiguousarray(mels, dtype=np.float32)),
            [self._prompt] * len(windows),
            beam_size=1,
            max_length=2 * max(limits),  # CTranslate2 reserves half of max_length for the text
            asynchronous=True,
        )
        return list(zip(limits, results, strict=True))

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


class HubWhisper(Transcriber):
    """Whisper on transformers in float32, with every window padded with silence to 30 s."""

    def __init__(
        self, folder: Path, name: str, batch_size: int = 8, device: str = "cpu", language: str = "en"
    ) -> None:
        """Set the model and its decoding options.

        Args:
            folder: Folder with config.json, safetensors, and the processor's files.
            name: Name of the model in tables.
            batch_size: Windows decoded together.
            device: "cpu" or "cuda".
            language: Language of the speech, ISO 639-1.
            workers: Batches decoded side by side on a CPU; changes no transcript.
        """
        super().__init__(folder, batch_size, language)
        self.device = device
        self.name = f"{name} (transformers float32)"

    @cached_property
    def _model(self) -> Any:
        import torch
        from transformers import WhisperForConditionalGeneration

        model = WhisperForConditionalGeneration.from_pretrained(
            self.folder, dtype=torch.float32, local_files_only=True
        )
        return model.eval().to(self.device)

    @cached_property
    def _processor(self) -> Any:
        from transformers import WhisperProcessor

        return WhisperProcessor.from_pretrained(self.folder, local_files_only=True)

    def _decode(self, windows: list[np.ndarray]) -> list[str]:
        return [text for batch in _batches(windows, self.batch_size) for text in self._generate(batch)]

    def _generate(self, windows: list[np.ndarray]) -> list[str]:
        import torch

        inputs = self._processor(
            windows, sampling_rate=SAMPLE_RATE, return_tensors="pt", return_attention_mask=True
        )
        limits = [token_limit(len(window)) for window in windows]
        language = {"language": self.language, "task": "transcribe"} if self._is_multilingual else {}
        with torch.no_grad():
            tokens = self._model.generate(
                inputs.input_features.to(self.device),
                attention_mask=inputs.attention_mask.to(self.device),
                do_sample=False,
                num_beams=1,
                return_timestamps=False,
                condition_on_prev_tokens=False,
                max_length=MOST_PROMPT_TOKENS + max(limits),
                **language,
            )
        rows = [row[:limit] for row, limit in zip(tokens.tolist(), limits, strict=True)]
        return self._processor.batch_decode(rows, skip_special_tokens=True)

    @property
    def _is_multilingual(self) -> bool:
        return self._model.generation_config.is_multilingual


def _batches(windows: list[np.ndarray], size: int) -> Iterator[list[np.ndarray]]:
    return (windows[start : start + size] for start in range(0, len(windows), size))


def load_transcriber(
    checkpoint: str,
    revision: str | None,
    device: str,
    batch_size: int,
    language: str = "en",
    workers: int = 1,
) -> Transcriber:
    """Return a transcriber for a checkpoint, on the backend that reads its files.

    Args:
        checkpoint: See `checkpoints.resolve`.
        revision: Branch, tag or commit of a hub id.
        device: "cpu" or "cuda".
        batch_size: Windows decoded together.
        language: Language of the speech, ISO 639-1.
        workers: Batches that CTranslate2 decodes side by side on a CPU.

    Raises:
        UserError: the checkpoint is missing or is no Whisper model.
    """
    folder = resolve(checkpoint, revision)
    if whisper_backend(folder) == "ctranslate2":
        return FasterWhisper(folder, checkpoint, batch_size, device, language=language, workers=workers)
    return HubWhisper(folder, checkpoint, batch_size, device, language)
