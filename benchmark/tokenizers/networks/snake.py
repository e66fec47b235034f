"""Snake, a periodic activation (Liu et al. 2020), as BigVGAN learns it (Lee et al. 2023, 2206.04658)."""

import torch
from torch import nn
from torch.nn import functional as F

from benchmark.data.half_band import half_band_filter


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
