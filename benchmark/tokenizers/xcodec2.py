"""X-Codec 2 (Ye et al. 2025, arXiv 2502.04128) and NeuCodec, of the same design, run by transformers."""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar

import torch

from benchmark.tokenizers.base import true_length
from benchmark.tokenizers.pretrained import Pretrained
from benchmark.types import SAMPLE_RATE, TokenizerSpec

HOP = 320


@dataclass(kw_only=True)
class Xcodec2(Pretrained):
    """One code of 16 bits (FSQ) at 50 Hz over acoustic and w2v-BERT features.

    The model appends one sample and pads to whole frames. A frame that holds padding alone is dropped.
    """

    uid: ClassVar[str] = "benchmark.tokenizers.xcodec2.Xcodec2"

    @property
    def spec(self) -> TokenizerSpec:
        """The specification. The mel statistics and attention span the whole utterance."""
        return self.make_spec(
            kind="acoustic-semantic",
            sample_rate=SAMPLE_RATE,
            frame_rate=SAMPLE_RATE / HOP,
            codebook_sizes=(65_536,),
            causal=False,
            can_decode=True,
            supports_padding=False,
        )

    @cached_property
    def _model(self) -> Any:
        from transformers import Xcodec2Model

        model = self.load_model(Xcodec2Model)
        self.check(hop_length=(model.config.hop_length, HOP))
        return model

    @cached_property
    def _extractor(self) -> Any:
        from transformers import Xcodec2FeatureExtractor

        return Xcodec2FeatureExtractor()

    def _encode(self, wav: torch.Tensor, lengths: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        speech = true_length(wav, lengths, at_least=2 * HOP)
        rows = [
            self._model.encode(
                **self._extractor(row, sampling_rate=SAMPLE_RATE, return_tensors="pt").to(wav.device)
            ).audio_codes[0]
            for row in speech.cpu().numpy()
        ]  # one by one, because attention spans whole utterances
        codes = torch.stack(rows)
        frames = torch.full_like(lengths, codes.shape[-1])
        return codes, torch.minimum(frames, (lengths + HOP - 1) // HOP)

    def _decode(self, codes: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:  # noqa: ARG002
        return self._model.decode(codes).audio_values[:, 0]


@dataclass(kw_only=True)
class NeuCodec(Xcodec2):
    """X-Codec 2's design with a decoder to 24 kHz. Less padding may leave one frame fewer."""

    uid: ClassVar[str] = "benchmark.tokenizers.xcodec2.NeuCodec"

    @property
    def spec(self) -> TokenizerSpec:
        """The specification of X-Codec 2, with another output rate."""
        return replace(super().spec, output_rate=24_000)

    @cached_property
    def _model(self) -> Any:
        from transformers import NeuCodecModel

        model = self.load_model(NeuCodecModel)
        self.check(
            encoder_hop_length=(model.config.encoder_hop_length, HOP),
            output_sampling_rate=(model.config.output_sampling_rate, self.spec.output_rate),
        )
        return model

    @cached_property
    def _extractor(self) -> Any:
        from transformers import NeuCodecFeatureExtractor

        return NeuCodecFeatureExtractor()
