"""A generator of one linear layer: every frame becomes its samples."""

from dataclasses import dataclass

import torch
from torch import nn

from benchmark.models.vocoder.config import GeneratorConfig


@dataclass(frozen=True, kw_only=True)
class LinearConfig(GeneratorConfig):
    """Size of nothing: width and hop are given."""

    gain: float = 0.1

    def build(self, dim: int, style: int, hop_length: int) -> nn.Module:
        return LinearGenerator(dim, hop_length, self.gain)


class LinearGenerator(nn.Module):
    """From (B, dim, frames) to (B, frames · hop) in [-1, 1]."""

    def __init__(self, dim: int, hop_length: int, gain: float) -> None:
        super().__init__()
        self.samples, self.gain = nn.Linear(dim, hop_length), gain

    def forward(
        self, hidden: torch.Tensor, mask: torch.Tensor | None = None, style: torch.Tensor | None = None
    ) -> torch.Tensor:
        return torch.tanh(self.gain * self.samples(hidden.transpose(1, 2))).flatten(1)
