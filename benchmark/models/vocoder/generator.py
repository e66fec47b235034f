"""HiFi-GAN generator (Kong et al., 2020) with the sizes and details of ParallelWaveGAN.

Weights start as PyTorch initialises convolutions. The published code intends a standard deviation of 0.01,
but sets it on a weight that weight norm recomputes in the first step, so that its models started from
PyTorch's initialisation too.
"""

import torch
from torch import nn
from torch.nn.functional import leaky_relu
from torch.nn.utils.parametrizations import weight_norm

from benchmark.models.vocoder.config import HiFiGANConfig
from benchmark.models.vocoder.convolution import fold_weight_norm, upsampling

SLOPE = 0.1


class ResidualBlock(nn.Module):
    """Residual block with a dilated and a plain convolution per dilation."""

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
    """Mean of the outputs of residual blocks with different kernels."""

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
    """HiFi-GAN generator: transposed convolutions, each followed by the mean of several residual blocks."""

    def __init__(self, config: HiFiGANConfig, dim: int, hop_length: int) -> None:
        """Build for hidden sequences of `dim` channels, with one frame per `hop_length` samples.

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
        """Synthesize the waveform of hidden sequences.

        Args:
            hidden: (B, dim, frames).
            mask: (B, frames) bool, True where valid; None when all frames are. With a mask, the padding of a
                batch does not affect the valid samples.
            style: (B, features) of the voice; ignored, since this generator knows the voice from `hidden`
                alone.

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
