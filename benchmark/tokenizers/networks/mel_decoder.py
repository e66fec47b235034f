"""From a latent to sound: the decoder of a mel spectrogram's autoencoder, and HiFi-GAN.

AudioLDM (Liu et al. 2023, arXiv 2301.12503) trained both; SemantiCodec uses them. Kong et al. 2020, arXiv
2010.05646 (HiFi-GAN). The names of the modules are those of the published weights.
"""

from collections.abc import Mapping

import torch
from torch import nn
from torch.nn import functional as F

from benchmark.tokenizers.networks.ticodec import SLOPE, ResidualStack

FACTORS = (1, 2, 4)
"""Channels of each level of the autoencoder, in multiples of the last."""
BLOCKS = 3
GROUPS = 32
EPS = 1e-6
MELS = 64
STRIDES, KERNELS = (5, 4, 2, 2, 2), (16, 16, 8, 4, 4)
"""Strides and kernels of HiFi-GAN's upsampling."""
BRANCHES = (3, 7, 11)
"""Kernels of the residual blocks that run in parallel."""


class MelDecoder(nn.Module):
    """Decoder of a latent (B, C, T, F) to a log mel spectrogram (B, 4 T, 4 F).

    Args:
        latent: Channels of the latent.
        width: Channels of the last level.
    """

    def __init__(self, latent: int, width: int) -> None:
        super().__init__()
        channels = FACTORS[-1] * width
        self.conv_in = nn.Conv2d(latent, channels, 3, padding=1)
        self.mid = nn.ModuleDict(
            {
                "block_1": Residual(channels, channels),
                "attn_1": Attention(channels),
                "block_2": Residual(channels, channels),
            }
        )
        levels: list[Level] = []
        for level, factor in reversed(list(enumerate(FACTORS))):
            levels.insert(0, Level(channels, factor * width, doubles=level > 0))
            channels = factor * width
        self.up = nn.ModuleList(levels)
        self.norm_out = nn.GroupNorm(GROUPS, channels, EPS)
        self.conv_out = nn.Conv2d(channels, 1, 3, padding=1)

    @classmethod
    def of_shapes(cls, state: Mapping[str, torch.Tensor]) -> "MelDecoder":
        """Build the network with the sizes of a published state dict.

        Raises:
            KeyError: the state dict is another model's.
        """
        return cls(state["conv_in.weight"].shape[1], state["conv_out.weight"].shape[1])

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        """Map (B, C, T, F) to (B, 4 T, 4 F)."""
        x = self.conv_in(z)
        for layer in self.mid.values():
            x = layer(x)
        for level in reversed(self.up):
            x = level(x)
        return self.conv_out(F.silu(self.norm_out(x)))[:, 0]


class Level(nn.Module):
    """Residual blocks; then, if it doubles, repetition of every value and a convolution."""

    def __init__(self, inputs: int, outputs: int, *, doubles: bool) -> None:
        super().__init__()
        following = (Residual(outputs, outputs) for _ in range(BLOCKS - 1))
        self.block = nn.Sequential(Residual(inputs, outputs), *following)
        self.upsample = nn.ModuleDict()
        if doubles:
            self.upsample["conv"] = nn.Conv2d(outputs, outputs, 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (B, inputs, T, F) to (B, outputs, T, F), or (B, outputs, 2 T, 2 F) if it doubles."""
        x = self.block(x)
        for layer in self.upsample.values():
            x = layer(F.interpolate(x, scale_factor=2.0, mode="nearest"))
        return x


class Residual(nn.Module):
    """x + two normed convolutions of x."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.norm1 = nn.GroupNorm(GROUPS, inputs, EPS)
        self.conv1 = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.norm2 = nn.GroupNorm(GROUPS, outputs, EPS)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1)
        self.nin_shortcut = nn.Identity() if inputs == outputs else nn.Conv2d(inputs, outputs, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (B, inputs, T, F) to (B, outputs, T, F)."""
        hidden = self.conv1(F.silu(self.norm1(x)))
        return self.nin_shortcut(x) + self.conv2(F.silu(self.norm2(hidden)))


class Attention(nn.Module):
    """x + single-head attention over all places of x."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(GROUPS, channels, EPS)
        self.q, self.k, self.v, self.proj_out = (nn.Conv2d(channels, channels, 1) for _ in range(4))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (B, channels, T, F) to the same shape."""
        normed = self.norm(x)
        q, k, v = (part(normed).flatten(2).transpose(1, 2) for part in (self.q, self.k, self.v))
        attended = F.scaled_dot_product_attention(q, k, v).transpose(1, 2)
        return x + self.proj_out(attended.unflatten(2, x.shape[2:]))


class HifiGan(nn.Module):
    """Generator of a waveform from a log mel spectrogram with hops of 10 ms at 16 kHz.

    Args:
        width: Channels after the first convolution; each upsampling halves them.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv_pre = nn.Conv1d(MELS, width, 7, padding=3)
        ups: list[nn.Module] = []
        blocks: list[nn.Module] = []
        for stride, kernel in zip(STRIDES, KERNELS, strict=True):
            ups.append(nn.ConvTranspose1d(width, width // 2, kernel, stride, padding=(kernel - stride) // 2))
            width //= 2
            blocks += [ResidualStack(width, kernel) for kernel in BRANCHES]
        self.ups, self.resblocks = nn.ModuleList(ups), nn.ModuleList(blocks)
        self.conv_post = nn.Conv1d(width, 1, 7, padding=3)

    @classmethod
    def of_shapes(cls, state: Mapping[str, torch.Tensor]) -> "HifiGan":
        """Build the network with the sizes of a published state dict.

        Raises:
            KeyError: the state dict is another model's.
        """
        return cls(len(state["conv_pre.weight"]))

    def forward(self, mel: torch.Tensor) -> torch.Tensor:
        """Map (B, T, MELS) to (B, 160 T + 32); the first kernel exceeds its stride by an odd number."""
        x = self.conv_pre(mel.transpose(1, 2))
        for index, up in enumerate(self.ups):
            x = up(F.leaky_relu(x, SLOPE))
            first = index * len(BRANCHES)
            branches = [block(x) for block in self.resblocks[first : first + len(BRANCHES)]]
            x = (branches[0] + branches[1] + branches[2]) / len(BRANCHES)
        return torch.tanh(self.conv_post(F.leaky_relu(x)))[:, 0]
