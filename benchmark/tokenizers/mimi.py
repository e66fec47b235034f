"""Mimi, the codec of Moshi (Défossez et al. 2024, arXiv 2410.00037), run by transformers."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import torch

from benchmark.errors import UserError
from benchmark.tokenizers.pretrained import Pretrained
from benchmark.types import TokenizerSpec

HOP = 1920
MAX_CODEBOOKS = 32


@dataclass(kw_only=True)
class Mimi(Pretrained):
    """One semantic code, distilled from WavLM, and residual acoustic codes, each of 11 bits at 12.5 Hz.

    Speech is padded with zeros to whole frames of 1920 samples. Without them the last frame would differ
    from that of the original package.

    Attributes:
        num_codebooks: Number of codebooks used: one semantic, the others acoustic. Moshi uses 8.
    """

    uid: ClassVar[str] = "benchmark.tokenizers.mimi.Mimi"

    num_codebooks: int = 8

    def __post_init__(self) -> None:
        if not 1 <= self.num_codebooks <= MAX_CODEBOOKS:
            raise UserError(
                f"{self.name}: num_codebooks must be from 1 to {MAX_CODEBOOKS}, not {self.num_codebooks}"
            )

    @property
    def spec(self) -> TokenizerSpec:
        """The specification. Causal, because convolutions and attention look back only."""
        return self.make_spec(
            kind="acoustic-semantic",
            sample_rate=24_000,
            frame_rate=12.5,
            codebook_sizes=(2048,) * self.num_codebooks,
            causal=True,
            can_decode=True,
            supports_padding=True,
        )

    @cached_property
    def _model(self) -> Any:
        from transformers import MimiModel

        model = self.load_model(MimiModel)
        config = model.config
        self.check(
            sampling_rate=(config.sampling_rate, self.spec.sample_rate),
            frame_size=(config.frame_size, HOP),
            codebook_size=(config.codebook_size, self.spec.codebook_size),
        )
        return model

    def _encode(self, wav: torch.Tensor, lengths: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        codes = self._model.encode(wav[:, None], num_quantizers=self.num_codebooks).audio_codes
        return codes, (lengths + HOP - 1) // HOP

    def _decode(self, codes: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:  # noqa: ARG002
        return self._model.decode(codes).audio_values[:, 0]
