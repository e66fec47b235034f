"""Multi-period and multi-scale discriminators of HiFi-GAN, with ParallelWaveGAN's sizes.

The scale discriminators have no norm. The published configs ask for one, but the code that trained the
CTX-vec2wav models skips one-dimensional convolutions.
"""

import torch
from torch import nn
from torch.nn.functional import avg_pool1d, leaky_relu, pad
from torch.nn.utils.parametrizations import weight_norm

from benchmark.models.vocoder.config import DiscriminatorConfig
from benchmark.models.vocoder.convolution import FrameConv

SLOPE = 0.1
PERIOD_STRIDES = (3, 3, 3, 3, 1)
SCALE_STRIDES = (4, 4, 4, 4, 1)
MAX_GROUPS = 16

Features = list[torch.Tensor]
"""Outputs of every layer of one discriminator; the last is its verdict."""


class PeriodDiscriminator(nn.Module):
    """Discriminator of every `period`-th sample: the waveform is folded into rows of that width.

    The published convolutions are one sample wide, so that each column is a sequence of its own. A
    one-dimensional convolution over the columns gives the same result in half the time.
    """

    def __init__(self, period: int, channels: tuple[int, ...]) -> None:
        super().__init__()
        self.period = period
        widths = (1, *channels)
        self.layers = nn.ModuleList(
            weight_norm(FrameConv(a, b, 5, stride))
            for a, b, stride in zip(widths[:-1], widths[1:], PERIOD_STRIDES, strict=True)
        )
        self.verdict = weight_norm(FrameConv(widths[-1], 1, 2, padding=1))

    def forward(self, wav: torch.Tensor) -> Features:
        """Map (B, 1, T) samples to the outputs of every layer, (B, C, T', period)."""
        missing = -wav.shape[-1] % self.period
        rows = pad(wav, (0, missing), mode="reflect").unflatten(-1, (-1, self.period))
        columns = rows.permute(0, 3, 2, 1).flatten(0, 1)
        outputs = _through(self.layers, self.verdict, columns)
        return [x.unflatten(0, (-1, self.period)).permute(0, 3, 2, 1) for x in outputs]


class ScaleDiscriminator(nn.Module):
    """Discriminator with grouped strided convolutions over the waveform."""

    def __init__(self, channels: int, max_channels: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList([nn.Conv1d(1, channels, 15, padding=7)])
        width, groups = channels, 4
        for stride in SCALE_STRIDES:
            self.layers.append(nn.Conv1d(channels, width, 41, stride, 20, groups=groups))
            channels, width = width, min(2 * width, max_channels)
            groups = min(4 * groups, MAX_GROUPS)
        self.layers.append(nn.Conv1d(channels, width, 5, padding=2))
        self.verdict = nn.Conv1d(width, 1, 3, padding=1)

    def forward(self, wav: torch.Tensor) -> Features:
        """Map (B, 1, T) samples to the outputs of every layer."""
        return _through(self.layers, self.verdict, wav)


class Discriminators(nn.Module):
    """All period and scale discriminators; each scale gets half the sample rate of the one before."""

    def __init__(self, config: DiscriminatorConfig) -> None:
        super().__init__()
        self.periods = nn.ModuleList(
            PeriodDiscriminator(period, tuple(config.period_channels)) for period in config.periods
        )
        self.scales = nn.ModuleList(
            ScaleDiscriminator(config.scale_channels, config.scale_max_channels) for _ in range(config.scales)
        )

    def forward(self, wav: torch.Tensor) -> list[Features]:
        """Map (B, T) samples to the layer outputs of each discriminator."""
        x = wav.unsqueeze(1)
        outputs = [period(x) for period in self.periods]
        for number, scale in enumerate(self.scales):
            x = avg_pool1d(x, 4, 2, 2) if number else x
            outputs.append(scale(x))
        return outputs


def _through(layers: nn.ModuleList, verdict: nn.Module, x: torch.Tensor) -> Features:
    outputs = []
    for layer in layers:
        x = leaky_relu(layer(x), SLOPE)
        outputs.append(x)
    return [*outputs, verdict(x)]
