"""The topline: 16-bit samples used as tokens."""

from dataclasses import dataclass
from typing import ClassVar

import torch

from benchmark.tokenizers.base import Tokenizer
from benchmark.types import SAMPLE_RATE, TokenizerSpec

OFFSET = 2**15


@dataclass(kw_only=True)
class GroundTruth(Tokenizer):
    """Linear 16-bit PCM: each sample is a token, and decoding returns the recording."""

    uid: ClassVar[str] = "benchmark.tokenizers.ground_truth.GroundTruth"

    @property
    def spec(self) -> TokenizerSpec:
        """The specification, with a bitrate of 256 kbit/s."""
        return TokenizerSpec(
            name=self.name,
            kind="topline",
            sample_rate=SAMPLE_RATE,
            frame_rate=SAMPLE_RATE,
            codebook_sizes=(2 * OFFSET,),
            causal=True,
            can_decode=True,
            supports_padding=True,
        )

    def _encode(self, wav: torch.Tensor, lengths: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        samples = (wav * OFFSET).round().clamp(-OFFSET, OFFSET - 1).long()
        return (samples + OFFSET)[:, None], lengths

    def _decode(self, codes: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:  # noqa: ARG002
        return (codes[:, 0] - OFFSET).float() / OFFSET
