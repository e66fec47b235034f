"""K-means over the hidden states of HuBERT, WavLM, wav2vec 2.0 and related models, run by transformers."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Literal, get_args

import torch

from benchmark.errors import UserError, unknown
from benchmark.extractors.encoders.waveform import normalised
from benchmark.tokenizers.base import true_length
from benchmark.tokenizers.pretrained import Pretrained
from benchmark.tokenizers.quantized import QuantizedFeatures
from benchmark.types import SAMPLE_RATE, TokenizerSpec

HOP, RECEPTIVE_FIELD = 320, 400
"""Samples of the unpadded convolutional stem that all these models share: hops of 20 ms, windows of 25 ms."""

Architecture = Literal["hubert", "wavlm", "wav2vec2"]


@dataclass(kw_only=True)
class SslKmeans(Pretrained, QuantizedFeatures):
    """Hidden states every 20 ms, coded by k-means.

    Speech is not padded, so T samples give ⌊(T - 400) / 320⌋ + 1 frames, as in the original packages. That
    is one or two fewer than a codec has.

    Attributes:
        architecture: Architecture of the checkpoint: hubert (also ContentVec and DistilHuBERT), wavlm or
            wav2vec2.
        layer: Number of the transformer block whose output is used, counted from one; 0 is the first
            block's input.
        normed: Whether the encoder's final layer norm is applied to the output. "Layer 24" of a large model
            means the output without the norm in fairseq and torchaudio, with it in `last_hidden_state`.
        normalise: Whether each utterance is first scaled to zero mean and unit variance, as in the training
            of the large models.
    """

    uid: ClassVar[str] = "benchmark.tokenizers.ssl_kmeans.SslKmeans"

    architecture: Architecture
    layer: int
    normed: bool = False
    normalise: bool

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.architecture not in get_args(Architecture):
            raise unknown(f"architecture of {self.name}", self.architecture, get_args(Architecture))

    @property
    def spec(self) -> TokenizerSpec:
        """The specification. Models trained on raw samples have a group norm that would see padding.

        The other models mask padding, so their batches may be of unequal lengths.
        """
        return self.make_spec(
            kind="semantic-ssl",
            sample_rate=SAMPLE_RATE,
            frame_rate=SAMPLE_RATE / HOP,
            frame_offset=(RECEPTIVE_FIELD - HOP) // 2,
            frame_slack=(RECEPTIVE_FIELD - HOP) / HOP,
            codebook_sizes=(self.codebook_size,) * self.num_codebooks,
            causal=False,
            can_decode=False,
            supports_padding=self.normalise,
        )

    @cached_property
    def _model(self) -> Any:
        import transformers

        classes = {"hubert": "HubertModel", "wavlm": "WavLMModel", "wav2vec2": "Wav2Vec2Model"}
        model = self.load_model(getattr(transformers, classes[self.architecture]))
        depth = model.config.num_hidden_layers
        if not 0 <= self.layer <= depth:
            raise UserError(f"{self.name}: layer must be from 0 to {depth}, not {self.layer}")
        stem = "layer" if self.normalise else "group"
        self.check(norm_of_the_stem=(model.config.feat_extract_norm, stem))
        model.config.num_hidden_layers = max(1, self.layer)  # blocks above are never used
        model.encoder.layers = model.encoder.layers[: model.config.num_hidden_layers]
        return model

    def features(self, wav: torch.Tensor, lengths: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the layer's hidden states (B, T', D) and their numbers (B,)."""
        lengths = lengths.to(wav.device)
        frames = ((lengths - RECEPTIVE_FIELD) // HOP + 1).clamp(min=1)
        mask = None
        if self.normalise:
            wav = torch.nn.functional.pad(wav, (0, max(0, RECEPTIVE_FIELD - wav.shape[1])))
            inside = torch.arange(wav.shape[1], device=wav.device) < lengths[:, None]
            wav = normalised(wav, inside)
            mask = inside.long()
        else:
            wav = true_length(wav, lengths, at_least=RECEPTIVE_FIELD)
        states = self._model(wav, attention_mask=mask, output_hidden_states=True).hidden_states[self.layer]
        return self._model.encoder.layer_norm(states) if self.normed else states, frames
