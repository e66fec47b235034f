"""The floor of all floors: a tokenizer that says nothing."""

from dataclasses import dataclass
from typing import ClassVar

import torch

from benchmark.tokenizers.base import Tokenizer
from benchmark.types import SAMPLE_RATE, TokenizerSpec

HOP = 320


@dataclass(kw_only=True)
class Constant(Tokenizer):
    """One codebook with one entry, every 20 ms: 0 bit/s.

    Whatever is read off it is known without listening. A probing task answers for it with the best
    constant: the majority class, or the transcript with the lowest WER on dev.
    """

    uid: ClassVar[str] = "benchmark.tokenizers.constant.Constant"

    @property
    def spec(self) -> TokenizerSpec:
        """0 bit/s."""
        return TokenizerSpec(
            name=self.name,
            kind="floor",
            sample_rate=SAMPLE_RATE,
            frame_rate=SAMPLE_RATE / HOP,
            codebook_sizes=(1,),
            causal=True,
            can_decode=False,
            supports_padding=True,
        )

    def _encode(self, wav: torch.Tensor, lengths: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        frames = (lengths + HOP - 1) // HOP
        return torch.zeros(len(wav), 1, max(1, int(frames.max())), dtype=torch.long), frames
