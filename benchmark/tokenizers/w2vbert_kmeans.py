"""K-means over the hidden states of w2v-BERT 2.0 (Barrault et al. 2023, arXiv 2312.05187)."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import torch

from benchmark.errors import UserError
from benchmark.tokenizers.pretrained import Pretrained
from benchmark.tokenizers.quantized import QuantizedFeatures
from benchmark.types import SAMPLE_RATE, TokenizerSpec

HOP, RECEPTIVE_FIELD = 320, 560
"""Samples. Two filter-bank frames, 160 apart and 400 long, make one hidden state, without padding."""
SHORTEST = 720
"""Samples of the shortest speech that gives one hidden state: two filter-bank frames and one more hop."""


@dataclass(kw_only=True)
class W2vBertKmeans(Pretrained, QuantizedFeatures):
    """Hidden states every 20 ms, coded by k-means.

    The model reads 80 mel bands every 10 ms, normalised per utterance and stacked in pairs.

    Attributes:
        layer: Number of the conformer block whose output is used, counted from one.
    """

    uid: ClassVar[str] = "benchmark.tokenizers.w2vbert_kmeans.W2vBertKmeans"

    layer: int

    @property
    def spec(self) -> TokenizerSpec:
        """The specification. The model masks padding, so batches may be of unequal lengths."""
        return self.make_spec(
            kind="semantic-ssl",
            sample_rate=SAMPLE_RATE,
            frame_rate=SAMPLE_RATE / HOP,
            frame_offset=(RECEPTIVE_FIELD - HOP) // 2,
            frame_slack=(RECEPTIVE_FIELD - HOP) / HOP,
            codebook_sizes=(self.codebook_size,) * self.num_codebooks,
            causal=False,
            can_decode=False,
            supports_padding=True,
        )

    @cached_property
    def _model(self) -> Any:
        from transformers import Wav2Vec2BertModel

        model = self.load_model(Wav2Vec2BertModel)
        depth = model.config.num_hidden_layers
        if not 0 <= self.layer <= depth:
            raise UserError(f"{self.name}: layer must be from 0 to {depth}, not {self.layer}")
        model.config.num_hidden_layers = max(1, self.layer)  # blocks above are never used
        model.encoder.layers = model.encoder.layers[: model.config.num_hidden_layers]
        return model

    @cached_property
    def _extractor(self) -> Any:
        from transformers import SeamlessM4TFeatureExtractor

        return SeamlessM4TFeatureExtractor(padding_value=1)  # as in the checkpoint's configuration

    def features(self, wav: torch.Tensor, lengths: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the layer's hidden states (B, T', D) and their numbers (B,)."""
        rows = [
            torch.nn.functional.pad(row[: int(n)], (0, max(0, SHORTEST - int(n)))).cpu().numpy()
            for row, n in zip(wav, lengths, strict=True)
        ]
        inputs = self._extractor(rows, sampling_rate=SAMPLE_RATE, return_tensors="pt").to(wav.device)
        states = self._model(**inputs, output_hidden_states=True).hidden_states[self.layer]
        return states, inputs["attention_mask"].sum(1)
