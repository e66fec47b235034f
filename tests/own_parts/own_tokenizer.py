"""Loudness of eight bands, as README's example has it: no codebook to fit and no decoder."""

from dataclasses import dataclass

import torch

from benchmark.tokenizers.base import Tokenizer
from benchmark.types import TokenizerSpec


@dataclass(kw_only=True)
class Bands(Tokenizer):
    """Logarithms of band energies, rounded."""

    levels: int = 16

    @property
    def spec(self) -> TokenizerSpec:
        return TokenizerSpec(
            name=self.name,
            kind="acoustic",
            sample_rate=16_000,
            frame_rate=50,
            codebook_sizes=(self.levels,) * 8,
            causal=True,
            can_decode=False,
            supports_padding=True,
        )

    def _encode(self, wav: torch.Tensor, lengths: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        spectrum = torch.fft.rfft(wav.unfold(-1, 320, 320)).abs()[..., :160]
        loudness = spectrum.unflatten(-1, (8, 20)).mean(-1).clamp(min=1e-4).log2()
        codes = (loudness + 9).clamp(0, self.levels - 1).long().transpose(1, 2)
        return codes, (lengths + 319) // 320
