"""The encoder of LSCodec (Guo et al. 2025, section 2): the convolutions of vq-wav2vec and a codebook.

Modules carry the parameter names of the published checkpoints. Some names are numbers in a sequence, in which
modules without parameters fill the gaps.
"""

from typing import Any

import torch
from torch import nn

from benchmark.tokenizers.networks.nearest import nearest

Layers = list[tuple[int, int, int]]
"""(width, kernel, stride) of each convolution."""


def receptive_field(layers: Layers) -> int:
    """Return the number of samples that one frame of unpadded convolutions covers."""
    size, hop = 1, 1
    for _, kernel, stride in layers:
        size += (kernel - 1) * hop
        hop *= stride
    return size


class Stem(nn.Module):
    """Unpadded convolutions from the waveform to frames."""

    def __init__(
        self,
        layers: Layers,
        activation: nn.Module,
        affine: bool,
        skip: bool,
        residual_scale: float,
        log_compression: bool,
    ) -> None:
        super().__init__()
        self.skip, self.scale, self.log_compression = skip, residual_scale**0.5, log_compression
        self.conv_layers = nn.ModuleList()
        inputs = 1
        for width, kernel, stride in layers:
            conv = nn.Conv1d(inputs, width, kernel, stride, bias=False)
            norm = nn.GroupNorm(1, width, affine=affine)
            self.conv_layers.append(nn.Sequential(conv, nn.Identity(), norm, activation))
            inputs = width

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (B, 1, T) to (B, D, T')."""
        for layer in self.conv_layers:
            shortcut, x = x, layer(x)
            if self.skip and x.shape[1] == shortcut.shape[1]:
                step = shortcut.shape[2] // x.shape[2]
                x = (x + shortcut[..., ::step][..., : x.shape[2]]) * self.scale
        return (x.abs() + 1).log() if self.log_compression else x


class Context(nn.Module):
    """Causal convolutions over frames: padded on the left, with shortcuts."""

    def __init__(
        self,
        layers: Layers,
        inputs: int,
        activation: nn.Module,
        affine: bool,
        skip: bool,
        residual_scale: float,
        bias: bool,
        zero_pad: bool,
    ) -> None:
        super().__init__()
        self.skip, self.scale = skip, residual_scale**0.5
        self.conv_layers, self.residual_proj = nn.ModuleList(), nn.ModuleList()
        for width, kernel, stride in layers:
            left = (kernel - 1, 0)
            pad = nn.ConstantPad1d(left, 0) if zero_pad else nn.ReplicationPad1d(left)
            conv = nn.Conv1d(inputs, width, kernel, stride, bias=bias)
            norm = nn.GroupNorm(1, width, affine=affine)
            self.conv_layers.append(nn.Sequential(pad, conv, nn.Identity(), norm, activation))
            fits = inputs == width or not skip
            self.residual_proj.append(nn.Identity() if fits else nn.Conv1d(inputs, width, 1, bias=False))
            inputs = width

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (B, D, T') to (B, D', T')."""
        for layer, project in zip(self.conv_layers, self.residual_proj, strict=True):
            x = (layer(x) + project(x)) * self.scale if self.skip else layer(x)
        return x


class Quantizer(nn.Module):
    """The codebook, searched for the nearest entry by Euclidean distance."""

    codebook: torch.Tensor
    """The entries, (V, D)."""

    def __init__(self, inputs: int, width: int, size: int) -> None:
        super().__init__()
        self.project_in = nn.Identity() if inputs == width else nn.Linear(inputs, width)
        self.register_buffer("codebook", torch.zeros(size, width))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (…, D) to (…) codes."""
        return nearest(self.project_in(x), self.codebook)


class Encoder(nn.Module):
    """The encoder from waveform to codes.

    The context predicts a mean and a log variance, of which the mean is quantized.
    """

    def __init__(
        self,
        stem: Layers,
        stem_options: dict[str, Any],
        context: Layers,
        context_options: dict[str, Any],
        codebook_size: int,
        codebook_width: int,
    ) -> None:
        super().__init__()
        parts = Stem(stem, **stem_options), Context(context, stem[-1][0], **context_options)
        self.frontend = nn.ModuleDict({"conv_models": nn.Sequential(*parts)})
        self.quantizer = Quantizer(context[-1][0] // 2, codebook_width, codebook_size)

    def forward(self, wav: torch.Tensor) -> torch.Tensor:
        """Map (B, T) at 16 kHz to (B, T') codes."""
        mean, _ = self.frontend["conv_models"](wav[:, None]).chunk(2, 1)
        return self.quantizer(mean.mT)
