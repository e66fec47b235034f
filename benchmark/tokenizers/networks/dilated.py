"""Residual units of dilated convolutions, as in SoundStream (Zeghidour et al. 2021) and codecs after it."""

from collections.abc import Callable

import torch
from torch import nn


class DilatedUnit(nn.Sequential):
    """x + a dilated and a pointwise convolution of x, each after an activation."""

    def __init__(self, channels: int, dilation: int, activation: Callable[[], nn.Module]) -> None:
        super().__init__(
            activation(),
            nn.Conv1d(channels, channels, 7, padding=3 * dilation, dilation=dilation),
            activation(),
            nn.Conv1d(channels, channels, 1),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (B, channels, T) to the same shape."""
        return x + super().forward(x)


def dilated_units(channels: int, activation: Callable[[], nn.Module]) -> list[DilatedUnit]:
    """Build three units of growing dilation."""
    return [DilatedUnit(channels, dilation, activation) for dilation in (1, 3, 9)]
