"""BigVGAN (Lee et al. 2023, arXiv 2206.04658, section 3): a log-mel spectrum, and the network to invert it.

Transposed convolutions raise the frame rate to the sample rate in steps. After each of them, the outputs of
residual blocks with several kernel sizes are averaged. Version 2 of the released models has no bias and no
tanh at its end.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn

from benchmark.data.mel import LogMel
from benchmark.storage.weights import fold_weight_norm, renamed
from benchmark.tokenizers.networks.snake import AntiAliasedSnake

SAMPLE_RATE, HOP, WINDOW, BANDS = 24_000, 256, 1024, 100
POWER_OFFSET = 1e-9
"""Power added to that of each frequency, under the root."""

RENAMED = {
    r"\.act\.(alpha|beta)$": r".\1",
    r"^ups\.(\d+)\.0\.": r"ups.\1.",
}
"""Names in the published state dict, and their replacements here."""


class Mel(LogMel):
    """The natural logarithm of 100 mel bands up to 12 kHz, 93.75 frames a second of 24 kHz speech."""

    def __init__(self) -> None:
        super().__init__(
            WINDOW, HOP, n_mels=BANDS, f_max=SAMPLE_RATE / 2, center=False, sample_rate=SAMPLE_RATE
        )

    def amplitude(self, spectrum: torch.Tensor) -> torch.Tensor:
        """Return the amplitudes of a complex spectrum, at least √POWER_OFFSET."""
        return (torch.view_as_real(spectrum).square().sum(-1) + POWER_OFFSET).sqrt()


class BigVgan(nn.Module):
    """The generator: log-mel frames to a waveform.

    Args:
        bands: Mel bands.
        width: Channels after the first convolution; they halve with each step.
        steps: Factor and kernel size of each transposed convolution, first to last.
        blocks: Kernel size and dilations of each residual block of a step.
    """

    def __init__(
        self,
        bands: int,
        width: int,
        steps: Sequence[tuple[int, int]],
        blocks: Sequence[tuple[int, Sequence[int]]],
    ) -> None:
        super().__init__()
        self.conv_pre = nn.Conv1d(bands, width, 7, padding=3)
        self.ups, self.resblocks = nn.ModuleList(), nn.ModuleList()
        for factor, kernel in steps:
            self.ups.append(
                nn.ConvTranspose1d(width, width // 2, kernel, factor, padding=(kernel - factor) // 2)
            )
            width //= 2
            self.resblocks.extend(ResidualBlock(width, *block) for block in blocks)
        self.activation_post = AntiAliasedSnake(width)
        self.conv_post = nn.Conv1d(width, 1, 7, padding=3, bias=False)

    @classmethod
    def of_config(cls, config: Mapping[str, Any]) -> "BigVgan":
        """Build the network of a published config file.

        Raises:
            KeyError: the config is another model's.
        """
        return cls(
            config["num_mels"],
            config["upsample_initial_channel"],
            list(zip(config["upsample_rates"], config["upsample_kernel_sizes"], strict=True)),
            list(zip(config["resblock_kernel_sizes"], config["resblock_dilation_sizes"], strict=True)),
        )

    def forward(self, mel: torch.Tensor) -> torch.Tensor:
        """Map log-mel frames (B, bands, T') to a waveform (B, T' · hop)."""
        x = self.conv_pre(mel)
        parallel = len(self.resblocks) // len(self.ups)
        for step, up in enumerate(self.ups):
            x = up(x)
            blocks = self.resblocks[step * parallel : (step + 1) * parallel]
            x = sum(block(x) for block in blocks) / parallel
        return self.conv_post(self.activation_post(x))[:, 0].clamp(-1, 1)


class ResidualBlock(nn.Module):
    """Pairs of a dilated and a plain convolution, each after an activation; every pair adds to its input."""

    def __init__(self, channels: int, kernel: int, dilations: Sequence[int]) -> None:
        super().__init__()
        self.convs1 = nn.ModuleList(
            nn.Conv1d(channels, channels, kernel, dilation=dilation, padding="same") for dilation in dilations
        )
        self.convs2 = nn.ModuleList(nn.Conv1d(channels, channels, kernel, padding="same") for _ in dilations)
        self.activations = nn.ModuleList(AntiAliasedSnake(channels) for _ in range(2 * len(dilations)))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (B, channels, T) to the same shape."""
        layers = zip(self.activations[::2], self.convs1, self.activations[1::2], self.convs2, strict=True)
        for first, dilated, second, plain in layers:
            x = x + plain(second(dilated(first(x))))
        return x


def rename(published: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Rename the weights of a published state dict to the names here, and fold weight norm in.

    The filters of the activations, which are computed here, are left out.
    """
    used = {name: tensor for name, tensor in published.items() if not name.endswith(".filter")}
    return fold_weight_norm(renamed(used, RENAMED))
