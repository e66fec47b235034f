"""Generator of vec2wav 2.0: BigVGAN (Lee et al., ICLR 2023) with adaptive Snake (Guo et al., ICASSP 2025).

The layout is that of HiFi-GAN. An anti-aliased periodic activation precedes every convolution of a residual
block; its parameters depend on the mean of the prompt's features.
"""

import torch
from torch import nn
from torch.nn.utils.parametrizations import weight_norm

from benchmark.models.vocoder.config import BigVGANConfig
from benchmark.models.vocoder.convolution import fold_weight_norm, upsampling
from benchmark.models.vocoder.snake import AdaptiveSnake, Ends


class AMPBlock(nn.Module):
    """Anti-aliased multi-periodicity block: a dilated and a plain convolution per dilation."""

    def __init__(self, channels: int, kernel: int, dilations: tuple[int, ...], style: int) -> None:
        super().__init__()

        def conv(dilation: int) -> nn.Module:
            return weight_norm(nn.Conv1d(channels, channels, kernel, padding="same", dilation=dilation))

        self.dilated = nn.ModuleList(conv(dilation) for dilation in dilations)
        self.plain = nn.ModuleList(conv(1) for _ in dilations)
        self.activations = nn.ModuleList(AdaptiveSnake(channels, style) for _ in 2 * dilations)

    def forward(self, x: torch.Tensor, style: torch.Tensor, ends: Ends | None) -> torch.Tensor:
        """Filter x (B, C, T) given style (B, style)."""
        first, second = self.activations[::2], self.activations[1::2]
        for dilated, plain, *activate in zip(self.dilated, self.plain, first, second, strict=True):
            hidden = dilated(activate[0](x, style, ends))
            x = x + plain(activate[1](hidden, style, ends))
        return x


class AMPField(nn.Module):
    """Mean of the outputs of blocks with different kernels."""

    def __init__(
        self, channels: int, kernels: tuple[int, ...], dilations: tuple[int, ...], style: int
    ) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(AMPBlock(channels, kernel, dilations, style) for kernel in kernels)

    def forward(self, x: torch.Tensor, style: torch.Tensor, ends: Ends | None) -> torch.Tensor:
        """Filter x (B, C, T) given style (B, style)."""
        total = self.blocks[0](x, style, ends)
        for block in self.blocks[1:]:
            total = total + block(x, style, ends)
        return total / len(self.blocks)


class BigVGANGenerator(nn.Module):
    """BigVGAN generator: transposed convolutions, each followed by the mean of several blocks."""

    def __init__(self, config: BigVGANConfig, dim: int, style: int, hop_length: int) -> None:
        """Build for hidden sequences of `dim` channels, with one frame per `hop_length` samples.

        Args:
            config: Sizes.
            dim: Channels of the hidden sequence.
            style: Channels of the prompt's features.
            hop_length: Samples per frame; must be the product of one of the config's scales.

        Raises: ValueError, see `UpsamplingConfig.scales`.
        """
        super().__init__()
        channels = config.channels
        self.scales = config.scales(hop_length)
        self.input = weight_norm(nn.Conv1d(dim, channels, 7, padding=3))
        self.upsamplers, self.fields = nn.ModuleList(), nn.ModuleList()
        for scale in self.scales:
            self.upsamplers.append(weight_norm(upsampling(channels, scale)))
            channels //= 2
            self.fields.append(AMPField(channels, config.resblock_kernels, config.dilations, style))
        self.activation = AdaptiveSnake(channels, style)
        self.output = weight_norm(nn.Conv1d(channels, 1, 7, padding=3))

    def forward(
        self, hidden: torch.Tensor, mask: torch.Tensor | None = None, style: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Synthesize the waveform of hidden sequences.

        Args:
            hidden: (B, dim, frames).
            mask: (B, frames) bool, True up to the end of each sequence and at least once; None when all
                frames are valid. With a mask, the padding of a batch does not affect the valid samples.
            style: (B, style) mean over time of the prompt's features; required.

        Returns:
            (B, frames * hop_length) in [-1, 1].
        """
        if style is None:
            raise ValueError("BigVGAN's activations need a style")
        ends = None if mask is None else Ends(mask[:, None], mask.sum(dim=1)[:, None, None] - 1)
        x = self.input(_masked(hidden, ends))
        for scale, upsampler, field in zip(self.scales, self.upsamplers, self.fields, strict=True):
            x = upsampler(_masked(x, ends))
            ends = None if ends is None else ends.times(scale)
            x = field(x, style, ends)
        x = self.activation(x, style, ends)
        with torch.autocast(x.device.type, enabled=False):  # samples of eight bits would hiss
            return torch.tanh(self.output(x.float())).squeeze(1)

    def finalise(self) -> None:
        """Fold the weight norm into plain weights, for synthesis."""
        fold_weight_norm(self)


def _masked(x: torch.Tensor, ends: Ends | None) -> torch.Tensor:
    return x if ends is None else x * ends.valid
