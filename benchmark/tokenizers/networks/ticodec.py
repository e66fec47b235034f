"""TiCodec's encoder and decoder: HiFi-GAN's residual blocks on both sides, and a branch for the voice.

See Ren et al. 2024 (arXiv 2310.00014), section 3. Weight normalization is folded into the weights when a
checkpoint is read. Parameters are named as in the published checkpoints, except for `RENAMED`.
"""

from collections.abc import Mapping

import torch
from torch import nn
from torch.nn import functional

from benchmark.storage.weights import fold_weight_norm, renamed

SLOPE = 0.1
STRIDES = (2, 4, 5, 8)
"""Strides of the encoder; the decoder has them in reverse."""
STRIDE_KERNELS = (4, 8, 11, 16)
KERNELS = (3, 7, 11)
DILATIONS = (1, 3, 5)
MIDDLE = 2
"""Number of the encoder's stages before the time-invariant branch."""
CHANNELS_PER_GROUP = 16

RENAMED = {r"^GlobalTokenEncoder\.": "time_invariant.", r"^ups\.": "strided."}


class ResidualStack(nn.Module):
    """Three dilated convolutions, each followed by a plain one and added to its input."""

    def __init__(self, channels: int, kernel: int) -> None:
        super().__init__()
        self.convs1 = nn.ModuleList(_same(channels, kernel, dilation) for dilation in DILATIONS)
        self.convs2 = nn.ModuleList(_same(channels, kernel, 1) for _ in DILATIONS)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (B, C, T) to (B, C, T)."""
        for dilated, plain in zip(self.convs1, self.convs2, strict=True):
            x = x + plain(_activate(dilated(_activate(x))))
        return x


class TimeInvariantEncoder(nn.Module):
    """The branch for what stays the same over an utterance: convolutions, a mean over time, a linear layer.

    `hidden` and `width` are the channels between and after the convolutions.
    """

    def __init__(self, channels: int, hidden: int, width: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for before, after in ((channels, hidden), (hidden, hidden), (hidden, width)):
            layers += [nn.Conv1d(before, after, 3, padding=1, bias=False), nn.LeakyReLU(SLOPE)]
        self.conv = nn.Sequential(*layers)
        self.fn = nn.Sequential(nn.Linear(width, width), nn.LeakyReLU(SLOPE), nn.BatchNorm1d(width))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (B, C, T) to (B, D)."""
        return self.fn(self.conv(x).mean(2))


class Encoder(nn.Module):
    """The encoder of samples to latent frames and to one time-invariant vector.

    Args:
        channels: Channels after the first convolution; each stage doubles them.
        hidden: Channels between the convolutions of `TimeInvariantEncoder`.
        invariant: Width of the time-invariant vector.
    """

    def __init__(self, channels: int, hidden: int, invariant: int) -> None:
        super().__init__()
        widths = [channels * 2 ** (stage + 1) for stage in range(len(STRIDES))]
        self.conv_pre = nn.Conv1d(1, channels, 7, padding=3)
        self.strided = nn.ModuleList(
            nn.Conv1d(width // 2, width, kernel, stride, padding=(kernel - stride) // 2)
            for width, kernel, stride in zip(widths, STRIDE_KERNELS, STRIDES, strict=True)
        )
        self.resblocks = nn.ModuleList(ResidualStack(w, kernel) for w in widths for kernel in KERNELS[::-1])
        self.normalize = nn.ModuleList(
            nn.GroupNorm(width // CHANNELS_PER_GROUP, width, eps=1e-6) for width in widths for _ in KERNELS
        )
        self.conv_post = nn.Conv1d(widths[-1], widths[-1], 3, padding=1)
        self.time_invariant = TimeInvariantEncoder(widths[MIDDLE - 1], hidden, invariant)

    def middle(self, wav: torch.Tensor) -> torch.Tensor:
        """Encode samples (B, T) to (B, C, T / 8), the point where the two branches separate."""
        x = self.conv_pre(wav[:, None])
        for stage in range(MIDDLE):
            x = self._stage(x, stage)
        return x

    def latents(self, middle: torch.Tensor) -> torch.Tensor:
        """Encode the output of `middle` to latent frames (B, D, floor(T / 320))."""
        for stage in range(MIDDLE, len(STRIDES)):
            middle = self._stage(middle, stage)
        # Upstream uses PyTorch's default slope here and nowhere else.
        return self.conv_post(functional.leaky_relu(middle))

    def _stage(self, x: torch.Tensor, stage: int) -> torch.Tensor:
        """Run one stage; the running sum over its residual stacks is normalized after each of them."""
        x = self.strided[stage](_activate(x))
        total = torch.zeros_like(x)
        part = slice(stage * len(KERNELS), (stage + 1) * len(KERNELS))
        for stack, norm in zip(self.resblocks[part], self.normalize[part], strict=True):
            total = norm(total + stack(x))
        return total / len(KERNELS)


class Decoder(nn.Module):
    """The decoder of quantized frames and the time-invariant vector to samples.

    Args:
        latent: Channels of the frames.
        channels: Channels after the first convolution; each stage halves them.
    """

    def __init__(self, latent: int, channels: int) -> None:
        super().__init__()
        widths = [channels // 2 ** (stage + 1) for stage in range(len(STRIDES))]
        self.conv_pre = nn.Conv1d(latent, channels, 7, padding=3)
        self.strided = nn.ModuleList(
            nn.ConvTranspose1d(2 * width, width, kernel, stride, padding=(kernel - stride) // 2)
            for width, kernel, stride in zip(widths, STRIDE_KERNELS[::-1], STRIDES[::-1], strict=True)
        )
        self.resblocks = nn.ModuleList(ResidualStack(w, kernel) for w in widths for kernel in KERNELS)
        self.conv_post = nn.Conv1d(widths[-1], 1, 7, padding=3)

    def forward(self, frames: torch.Tensor, invariant: torch.Tensor) -> torch.Tensor:
        """Decode frames (B, D, T') and vectors (B, I) to samples (B, 320 T').

        The vector is added at the stage that has its width.
        """
        x = self.conv_pre(frames)
        for stage, up in enumerate(self.strided):
            x = up(_activate(x))
            stacks = self.resblocks[stage * len(KERNELS) : (stage + 1) * len(KERNELS)]
            x = torch.stack([stack(x) for stack in stacks]).sum(0) / len(KERNELS)
            if x.shape[1] == invariant.shape[1]:
                x = x + invariant[:, :, None]
        return torch.tanh(self.conv_post(_activate(x)))[:, 0]


def rename(published: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Rename a published part's weights to the names here, and fold weight normalization in."""
    return fold_weight_norm(renamed(published, RENAMED))


def _same(channels: int, kernel: int, dilation: int) -> nn.Conv1d:
    return nn.Conv1d(channels, channels, kernel, dilation=dilation, padding=dilation * (kernel - 1) // 2)


def _activate(x: torch.Tensor) -> torch.Tensor:
    return functional.leaky_relu(x, SLOPE)
