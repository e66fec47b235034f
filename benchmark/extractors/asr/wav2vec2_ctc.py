"""ASR by any CTC model of transformers: wav2vec 2.0, HuBERT, data2vec, w2v-BERT and others."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from benchmark.errors import UserError
from benchmark.extractors.asr.extractors import Listener, Transcript
from benchmark.extractors.clips import of_one_length
from benchmark.types import SAMPLE_RATE

WINDOW = 60
"""Seconds above which a clip is cut into equal parts, as attention cost grows with the square of length."""
ONLY_TRAINED_WITH = "masked_spec_embed"
"""Name of a weight that is used in training only, and that some checkpoints lack."""


@dataclass(frozen=True, kw_only=True)
class Ctc(Transcript):
    """Greedy CTC decoding (Graves et al. 2006) without a language model, in float32.

    Only clips of equal length are decoded together, because most of these models normalise over a whole clip
    and treat padding as sound. The checkpoint's own feature extractor and tokenizer are used; no code that
    comes with a checkpoint is run.
    """

    shortest: ClassVar[int] = SAMPLE_RATE // 20  # two frames

    @property
    def method(self) -> str:
        """See `Transcript.method`."""
        return "greedy CTC, no language model"

    @property
    def source(self) -> str:
        """See `Transcript.source`."""
        return f"{self.checkpoint} (transformers float32)"

    def listener(self, device: str) -> Listener:
        """See `Transcript.listener`."""
        import torch

        model, extract, tokenizer = self._model(device)

        def decode(parts: list[np.ndarray]) -> list[str]:
            inputs = extract(parts, sampling_rate=SAMPLE_RATE, return_tensors="pt").to(device)
            with torch.no_grad():
                tokens = model(**inputs).logits.argmax(-1)
            return tokenizer.batch_decode(tokens.cpu(), skip_special_tokens=True)

        def transcribe(wavs: list[np.ndarray]) -> list[str]:
            counts = [max(1, -(-len(wav) // (WINDOW * SAMPLE_RATE))) for wav in wavs]
            parts = [part for wav, n in zip(wavs, counts, strict=True) for part in np.array_split(wav, n)]
            texts = [""] * len(parts)
            for positions in of_one_length(parts, self.batch_size):
                for position, text in zip(positions, decode([parts[p] for p in positions]), strict=True):
                    texts[position] = text.strip()
            ends = np.cumsum(counts)
            return [" ".join(filter(None, texts[end - n : end])) for end, n in zip(ends, counts, strict=True)]

        return transcribe

    def _model(self, device: str) -> tuple[Any, Any, Any]:
        """Load model, feature extractor and tokenizer.

        Raises:
            UserError: the folder holds no such model, or weights are missing, which the library would
                replace by random ones.
        """
        import torch
        from transformers import AutoFeatureExtractor, AutoModelForCTC, AutoTokenizer

        try:
            local: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
            loaded: Any = AutoModelForCTC.from_pretrained(
                self.folder, dtype=torch.float32, output_loading_info=True, **local
            )
            extractor = AutoFeatureExtractor.from_pretrained(self.folder, **local)
            tokenizer = AutoTokenizer.from_pretrained(self.folder, **local)
        except (OSError, RuntimeError, ValueError, KeyError, TypeError) as error:
            raise UserError(f"{self.checkpoint} is no CTC model of transformers: {error}") from error
        model, report = loaded
        lacks = sorted(name for name in report["missing_keys"] if not name.endswith(ONLY_TRAINED_WITH))
        if lacks:
            raise UserError(f"{self.checkpoint} is no CTC model: it lacks {', '.join(lacks[:3])}")
        if extractor.sampling_rate != SAMPLE_RATE:
            raise UserError(f"{self.checkpoint} takes {extractor.sampling_rate} Hz, not {SAMPLE_RATE}")
        return model.eval().requires_grad_(False).to(device), extractor, tokenizer
