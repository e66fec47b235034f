"""Voicing, pitch and energy as CTX-vec2wav predicts and feeds them back (UniCATS, section "CTX-vec2wav")."""

from collections.abc import Iterable

import torch
from torch import nn

from benchmark.vocoder.config import AuxiliaryConfig
from benchmark.vocoder.convolution import FrameConv

FEATURES = 3
"""Log voicing, log pitch, log energy."""


class AuxiliaryBranch(nn.Module):
    """Predicts the features after the first encoder and embeds them, true or predicted, for the second."""

    mean: torch.Tensor
    std: torch.Tensor

    def __init__(self, config: AuxiliaryConfig, dim: int) -> None:
        super().__init__()
        self.head = nn.Linear(dim, FEATURES)
        self.prenet = FrameConv(FEATURES, dim, config.kernel)
        self.register_buffer("mean", torch.zeros(FEATURES))
        self.register_buffer("std", torch.ones(FEATURES))

    def predict(self, hidden: torch.Tensor) -> torch.Tensor:
        """(B, T, dim) to normalised features (B, T, 3)."""
        return self.head(hidden)

    def embed(self, features: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Normalised features (B, T, 3) and a (B, T) mask of valid frames to (B, T, dim)."""
        return self.prenet(features * mask[..., None])

    def normalise(self, features: torch.Tensor) -> torch.Tensor:
        """(..., 3) as extracted, to zero mean and unit variance over the training set."""
        return (features - self.mean) / self.std

    @torch.no_grad()
    def fit(self, utterances: Iterable[torch.Tensor]) -> None:
        """Take the mean and standard deviation over utterances, each (T, 3) as extracted."""
        frames = torch.cat([features.double() for features in utterances])
        self.mean.copy_(frames.mean(dim=0))
        self.std.copy_(frames.std(dim=0, correction=0).clamp(min=1e-2))
