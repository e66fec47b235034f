"""Prenets, which map prompt features to the width of the frontend; padding changes no valid frame."""

import torch
from torch import nn

from benchmark.models.vocoder.config import PromptConfig
from benchmark.models.vocoder.convolution import FrameConv

STACK_CHANNELS = (128, 256, 512)
STACK_KERNELS = (3, 5, 5, 3)
STACK_DROPOUT = 0.1


class MaskedGroupNorm(nn.Module):
    """GroupNorm with one group, in float32, whose statistics exclude padding."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Normalise x (B, T, C), mask (B, T, 1)."""
        x, mask = x.float(), mask.float()
        count = mask.sum(dim=(1, 2), keepdim=True) * x.shape[2]
        centred = (x - (x * mask).sum(dim=(1, 2), keepdim=True) / count) * mask
        variance = centred.square().sum(dim=(1, 2), keepdim=True) / count
        return centred * torch.rsqrt(variance + 1e-5) * self.weight + self.bias


class ResidualConv(nn.Module):
    """Convolution, dropout, norm and ReLU beside a 1×1 projection; the sum is halved."""

    def __init__(self, channels: int, out_channels: int, kernel: int) -> None:
        super().__init__()
        self.conv = FrameConv(channels, out_channels, kernel)
        self.dropout = nn.Dropout(STACK_DROPOUT)
        self.norm = MaskedGroupNorm(out_channels)
        self.skip = nn.Linear(channels, out_channels, bias=False)

    def forward(self, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Filter x (B, T, C), which must be zero where mask (B, T, 1) is; the output is zero there too."""
        hidden = torch.relu(self.norm(self.dropout(self.conv(x)), mask))
        return 0.5 * (hidden + self.skip(x)) * mask


class StackPrenet(nn.Module):
    """The four residual convolutions of vec2wav 2.0 (its ConvPromptPrenet)."""

    def __init__(self, features: int, dim: int) -> None:
        super().__init__()
        widths = (features, *STACK_CHANNELS, dim)
        self.layers = nn.ModuleList(
            ResidualConv(a, b, kernel)
            for a, b, kernel in zip(widths[:-1], widths[1:], STACK_KERNELS, strict=True)
        )

    def forward(self, features: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Map (B, T, features) and a (B, T) bool mask to (B, T, dim)."""
        frames = mask[..., None].to(features.dtype)
        x = features * frames
        for layer in self.layers:
            x = layer(x, frames)
        return x


class SinglePrenet(nn.Module):
    """One convolution of width five, padded so that the length is kept.

    This is vec2wav 2.0's simpler choice. CTX-vec2wav pads nothing and so drops two frames at each end of the
    prompt. The other frames are the same, and prompts shorter than five frames work here.
    """

    def __init__(self, features: int, dim: int) -> None:
        super().__init__()
        self.conv = FrameConv(features, dim, 5)

    def forward(self, features: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Map (B, T, features) and a (B, T) bool mask to (B, T, dim)."""
        return self.conv(features * mask[..., None])


def build_prenet(config: PromptConfig, features: int, dim: int) -> StackPrenet | SinglePrenet:
    """Build the prenet that the config names, from `features` channels to `dim`."""
    return StackPrenet(features, dim) if config.prenet == "stack" else SinglePrenet(features, dim)
