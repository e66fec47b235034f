"""HiFi-GAN generator (Kong et al., 2020) with the sizes and details of ParallelWaveGAN.

Weights start as PyTorch starts convolutions. The published code means to start them at a deviation of
0.01, but writes that into what weight norm computes anew in the first step, so its models began like this.
"""

import torch
from torch import nn
from torch.nn.functional import leaky_relu
from torch.nn.utils.parametrizations import weight_norm

from benchmark.models.vocoder.bigvgan import BigVGANGenerator
from benchmark.models.vocoder.config import BigVGANConfig, GeneratorConfig, HiFiGANConfig, ISTFTConfig
from benchmark.models.vocoder.convolution import fold_weight_norm, upsampling
from benchmark.models.vocoder.istft import ISTFTGenerator

SLOPE = 0.1


class ResidualBlock(nn.Module):
    """For each dilation a dilated and a plain convolution around a residual connection."""

    def __init__(self, channels: int, kernel: int, dilations: tuple[int, ...]) -> None:
        super().__init__()
        self.dilated = nn.ModuleList(
            weight_norm(nn.Conv1d(channels, channels, kernel, padding="same", dilation=dilation))
            for dilation in dilations
        )
        self.plain = nn.ModuleList(
            weight_norm(nn.Conv1d(channels, channels, kernel, padding="same")) for _ in dilations
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
        """Build for hidden sequences of `dim` channels, one frame per `hop_length` samples.

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
            self.fields.append(MultiReceptiveField(channels, config.resblock_kernels, config.dilations))
        self.output = weight_norm(nn.Conv1d(channels, 1, 7, padding=3))

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
        with torch.autocast(x.device.type, enabled=False):  # samples of eight bits would hiss
            return torch.tanh(self.output(_masked(leaky_relu(x), valid).float())).squeeze(1)

    def finalise(self) -> None:
        """Fold the weight norm into plain weights, for synthesis."""
        fold_weight_norm(self)


def _masked(x: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
    return x if mask is None else x * mask


def finalise(generator: nn.Module) -> None:
    """Fold a generator's weights for synthesis; one from outside this package may have nothing to fold."""
    fold = getattr(generator, "finalise", None)
    if fold is not None:
        fold()


def build_generator(config: GeneratorConfig, dim: int, style: int, hop_length: int) -> nn.Module:
    """The generator the config stands for; the prompt's features have `style` channels."""
    if isinstance(config, ISTFTConfig):
        return ISTFTGenerator(config, dim, hop_length)
    if isinstance(config, BigVGANConfig):
        return BigVGANGenerator(config, dim, style, hop_length)
    if isinstance(config, HiFiGANConfig):
        return HiFiGANGenerator(config, dim, hop_length)
    return config.build(dim, style, hop_length)
