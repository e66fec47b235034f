"""The lowest baseline: a tokenizer whose codes carry no information."""

from dataclasses import dataclass
from typing import ClassVar

import torch

from benchmark.tokenizers.base import Tokenizer
from benchmark.types import SAMPLE_RATE, TokenizerSpec

HOP = 320


@dataclass(kw_only=True)
class Constant(Tokenizer):
    """One codebook with one entry, sent every 20 ms: 0 bit/s.

    A score on these codes is a score without listening. A probing task answers with the best constant:
    the majority class, or the transcript with the lowest WER on dev.
    """

    uid: ClassVar[str] = "benchmark.tokenizers.constant.Constant"

    @property
    def spec(self) -> TokenizerSpec:
        """The specification, with a bitrate of 0 bit/s."""
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
