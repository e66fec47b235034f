"""Snake, a periodic activation (Liu et al. 2020), as BigVGAN learns it (Lee et al. 2023, 2206.04658)."""

import math

import torch
from torch import nn
from torch.nn import functional as F


class Snake(nn.Module):
    """The activation x + sin²(αx) / β; the logarithms of α and β are learnt per channel."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.alpha = nn.Parameter(torch.zeros(channels))
        self.beta = nn.Parameter(torch.zeros(channels))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (B, channels, T) to the same shape."""
        return x + torch.sin(x * self.alpha.exp()[:, None]).square() / (self.beta.exp()[:, None] + 1e-9)


class AntiAliasedSnake(Snake):
    """Snake, computed at twice the rate to avoid aliasing (section 3.2 of BigVGAN).

    One low-pass filter serves up- and downsampling.
    """

    taps: torch.Tensor

    def __init__(self, channels: int) -> None:
        super().__init__(channels)
        self.register_buffer("taps", half_band_filter(), persistent=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (B, channels, T) to the same shape."""
        channels, size = x.shape[1], self.taps.numel()
        taps = self.taps.expand(channels, 1, -1)
        margin = size // 2 - 1
        x = F.conv_transpose1d(F.pad(x, (margin, margin), "replicate"), 2 * taps, stride=2, groups=channels)
        cut = 3 * margin  # the doubled margin, and the samples that the filter adds at either end
        x = super().forward(x[..., cut:-cut])
        return F.conv1d(F.pad(x, (margin, margin + 1), "replicate"), taps, stride=2, groups=channels)


def half_band_filter() -> torch.Tensor:
    """Compute the taps (12,) of a windowed sinc that passes half of the band; their sum is one.

    The shape of the Kaiser window follows from the attenuation in dB that 12 taps can reach when the stop
    band begins 0.3 of the sampling rate above the cut-off (Oppenheim and Schafer, section 7.5.3).
    """
    size, transition = 12, 4 * 0.3
    attenuation = 2.285 * (size // 2 - 1) * math.pi * transition + 7.95
    window = torch.kaiser_window(size, periodic=False, beta=0.1102 * (attenuation - 8.7))
    time = torch.arange(size) - (size - 1) / 2
    taps = window * torch.sinc(time / 2)
    return taps / taps.sum()
