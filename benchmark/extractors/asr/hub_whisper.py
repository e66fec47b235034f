"""Whisper on transformers."""

from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from benchmark.extractors.asr.transcriber import MOST_PROMPT_TOKENS, MOST_TOKENS, Decoding, Transcriber
from benchmark.extractors.asr.windows import WINDOW
from benchmark.types import SAMPLE_RATE


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
        """
        super().__init__(folder, batch_size, language)
        self.device = device
        self.name = f"{name} (transformers float32, {WINDOW:g} s windows)"

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

    def _decode(self, windows: list[np.ndarray], beams: int) -> list[Decoding]:
        return [found for batch in self._batches(windows, beams) for found in self._generate(batch, beams)]

    def _generate(self, windows: list[np.ndarray], beams: int) -> list[Decoding]:
        import torch
        from transformers.modeling_outputs import BaseModelOutput

        inputs = self._processor(
            windows, sampling_rate=SAMPLE_RATE, return_tensors="pt", return_attention_mask=True
        ).to(self.device)
        language = {"language": self.language, "task": "transcribe"} if self._is_multilingual else {}
        with torch.no_grad():
            encoded = self._model.get_encoder()(inputs.input_features)
            # Separated first, because a beam search repeats `encoded` in place.
            singles = [BaseModelOutput(single) for single in encoded[0].split(1)]
            rows = self._model.generate(
                encoder_outputs=encoded,
                attention_mask=inputs.attention_mask,
                do_sample=False,
                num_beams=beams,
                return_timestamps=False,
                condition_on_prev_tokens=False,
                max_length=MOST_PROMPT_TOKENS + MOST_TOKENS,
                **language,
            )
            texts = [[token for token in row if token < self._end][:MOST_TOKENS] for row in rows.tolist()]
            return [self._decoding(single, text) for single, text in zip(singles, texts, strict=True)]

    def _decoding(self, encoded: Any, text: list[int]) -> Decoding:
        """Score a text of one window: its tokens, the end token, and no speech in place of the first."""
        import torch

        known = [*self._prompt, *text, self._end]
        logits = self._model(encoder_outputs=encoded, decoder_input_ids=self._tensor(known[:-1])).logits[0]
        scores = torch.log_softmax(logits.float(), -1)
        said = scores[len(self._prompt) - 1 :].gather(1, self._tensor(known[len(self._prompt) :]).T)
        return Decoding(
            self._processor.decode(text, skip_special_tokens=True).strip(),
            float(said.mean()),
            float(scores[0, self._no_speech].exp()),
            len(text) >= MOST_TOKENS,
        )

    def _tensor(self, tokens: list[int]) -> Any:
        import torch

        return torch.tensor([tokens], device=self.device)

    @property
    def _end(self) -> int:
        """The end token; special tokens have higher numbers, text tokens lower ones."""
        return self._model.generation_config.eos_token_id

    @property
    def _no_speech(self) -> int:
        """The token "<|nospeech|>" or "<|nocaptions|>", which precedes "<|notimestamps|>"."""
        return self._model.generation_config.no_timestamps_token_id - 1

    @cached_property
    def _prompt(self) -> list[int]:
        config = self._model.generation_config
        language = []
        if self._is_multilingual:
            language = [config.lang_to_id[f"<|{self.language}|>"], config.task_to_id["transcribe"]]
        return [config.decoder_start_token_id, *language, config.no_timestamps_token_id]

    @property
    def _is_multilingual(self) -> bool:
        return self._model.generation_config.is_multilingual
