"""HiFi-GAN generator (Kong et al., 2020) with the sizes and details of ParallelWaveGAN."""

from math import prod

import torch
from torch import nn
from torch.nn.functional import leaky_relu
from torch.nn.utils import parametrize
from torch.nn.utils.parametrizations import weight_norm

from benchmark.vocoder.config import HiFiGANConfig, ISTFTConfig
from benchmark.vocoder.istft import ISTFTGenerator

SLOPE = 0.1


def _normal_conv(conv: nn.Conv1d | nn.ConvTranspose1d) -> nn.Module:
    nn.init.normal_(conv.weight, 0.0, 0.01)
    return weight_norm(conv)


class ResidualBlock(nn.Module):
    """For each dilation a dilated and a plain convolution around a residual connection."""

    def __init__(self, channels: int, kernel: int, dilations: tuple[int, ...]) -> None:
        super().__init__()
        self.dilated = nn.ModuleList(
            _normal_conv(nn.Conv1d(channels, channels, kernel, padding="same", dilation=dilation))
            for dilation in dilations
        )
        self.plain = nn.ModuleList(
            _normal_conv(nn.Conv1d(channels, channels, kernel, padding="same")) for _ in dilations
        )

    def forward(self, x: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
        """Filter x (B, C, T), mask (B, 1, T)."""
        for dilated, plain in zip(self.dilated, self.plain, strict=True):
            hidden = dilated(_masked(leaky_relu(x, SLOPE), mask))
            x = x + plain(_masked(leaky_relu(hidden, SLOPE), mask))
        return x


class MultiReceptiveField(nn.Module):
    """The mean of residual blocks of different kernels."""

    def __init__(self, channels: int, kernels: tuple[int, ...], dilations: tuple[int, ...]) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(ResidualBlock(channels, kernel, dilations) for kernel in kernels)

    def forward(self, x: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
        """Filter x (B, C, T), mask (B, 1, T)."""
        total = self.blocks[0](x, mask)
        for block in self.blocks[1:]:
            total = total + block(x, mask)
        return total / len(self.blocks)


class HiFiGANGenerator(nn.Module):
    """Transposed convolutions, each followed by the mean of several residual blocks."""

    def __init__(self, config: HiFiGANConfig, dim: int, hop_length: int) -> None:
        """Build for hidden sequences of `dim` channels, one frame per `hop_length` samples."""
        super().__init__()
        scales = {320: config.scales_50hz, 160: config.scales_100hz}[hop_length]
        if prod(scales) != hop_length:
            raise ValueError(f"upsampling scales {scales} do not multiply to {hop_length}")
        channels = config.channels
        self.scales = scales
        self.input = _normal_conv(nn.Conv1d(dim, channels, 7, padding=3))
        self.upsamplers, self.fields = nn.ModuleList(), nn.ModuleList()
        for scale in scales:
            upsampler = nn.ConvTranspose1d(
                channels, channels // 2, 2 * scale, scale, scale // 2 + scale % 2, scale % 2
            )
            self.upsamplers.append(_normal_conv(upsampler))
            channels //= 2
            self.fields.append(MultiReceptiveField(channels, config.resblock_kernels, config.dilations))
        self.output = _normal_conv(nn.Conv1d(channels, 1, 7, padding=3))

    def forward(
        self,
        hidden: torch.Tensor,
        mask: torch.Tensor | None = None,
        style: torch.Tensor | None = None,  # noqa: ARG002
    ) -> torch.Tensor:
        """Synthesize.

        Args:
            hidden: (B, dim, frames).
            mask: (B, frames) bool, True where valid; None when all frames are. With it, the padding
                of a batch leaves no trace in the valid samples.
            style: (B, features) of the voice; this generator learns of the voice from `hidden` alone.

        Returns:
            (B, frames * hop_length) in [-1, 1].
        """
        valid = None if mask is None else mask[:, None, :].to(hidden.dtype)
        x = self.input(_masked(hidden, valid))
        for scale, upsampler, field in zip(self.scales, self.upsamplers, self.fields, strict=True):
            x = upsampler(_masked(leaky_relu(x, SLOPE), valid))
            valid = None if valid is None else valid.repeat_interleave(scale, dim=-1)
            x = field(x, valid)
        return torch.tanh(self.output(_masked(leaky_relu(x), valid))).squeeze(1)

    def finalise(self) -> None:
        """Fold the weight norm into plain weights, for synthesis."""
        for module in self.modules():
            if parametrize.is_parametrized(module, "weight"):
                parametrize.remove_parametrizations(module, "weight")


def _masked(x: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
    return x if mask is None else x * mask


def build_generator(
    config: HiFiGANConfig | ISTFTConfig, dim: int, hop_length: int
) -> HiFiGANGenerator | ISTFTGenerator:
    """The generator the config stands for."""
    if isinstance(config, ISTFTConfig):
        return ISTFTGenerator(config, dim, hop_length)
    return HiFiGANGenerator(config, dim, hop_length)
