"""The quantizer inside wav2vec 2.0 (Baevski et al. 2020, arXiv 2006.11477, section 2)."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import torch

from benchmark.extractors.encoders.waveform import normalised
from benchmark.tokenizers.base import true_length
from benchmark.tokenizers.pretrained import Pretrained
from benchmark.types import SAMPLE_RATE, TokenizerSpec

HOP, RECEPTIVE_FIELD = 320, 400
GROUPS, ENTRIES = 2, 320


@dataclass(kw_only=True)
class Wav2Vec2Vq(Pretrained):
    """The targets of wav2vec 2.0's training: two codes of 320 entries at 50 Hz, from the convolutional stem.

    The checkpoint must have the pre-training heads; checkpoints fine-tuned for recognition lack them.

    Attributes:
        normalise: Whether each utterance is first scaled to zero mean and unit variance.
    """

    uid: ClassVar[str] = "benchmark.tokenizers.wav2vec2_vq.Wav2Vec2Vq"

    normalise: bool

    @property
    def spec(self) -> TokenizerSpec:
        """The specification. The stem's norm, or the normalisation, spans the whole utterance."""
        return self.make_spec(
            kind="semantic-ssl",
            sample_rate=SAMPLE_RATE,
            frame_rate=SAMPLE_RATE / HOP,
            frame_offset=(RECEPTIVE_FIELD - HOP) // 2,
            frame_slack=(RECEPTIVE_FIELD - HOP) / HOP,
            codebook_sizes=(ENTRIES,) * GROUPS,
            causal=False,
            can_decode=False,
            supports_padding=False,
        )

    @cached_property
    def _model(self) -> Any:
        from transformers import Wav2Vec2ForPreTraining

        model = self.load_model(Wav2Vec2ForPreTraining)
        self.check(
            groups=(model.config.num_codevector_groups, GROUPS),
            entries=(model.config.num_codevectors_per_group, ENTRIES),
        )
        return model

    def codebook_vectors(self) -> torch.Tensor:
        """Return the vectors of both groups, (2, 320, D)."""
        vectors = self._model.quantizer.codevectors[0]
        return vectors.unflatten(0, (GROUPS, ENTRIES)).cpu()

    def _encode(self, wav: torch.Tensor, lengths: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        speech = true_length(wav, lengths, at_least=RECEPTIVE_FIELD)
        if self.normalise:
            speech = normalised(speech, torch.ones_like(speech, dtype=torch.bool))
        # The quantizer reads the stem's output after its norm; only the context network sees the masked copy.
        stem = self._model.wav2vec2
        features = stem.feature_projection(stem.feature_extractor(speech).transpose(1, 2))[1]
        scores = self._model.quantizer.weight_proj(features).unflatten(-1, (GROUPS, ENTRIES))
        codes = scores.argmax(-1).transpose(1, 2)
        return codes, torch.full_like(lengths, codes.shape[-1])
