"""Adaptive Snake: BigVGAN's anti-aliased periodic activation, controlled by the voice (vec2wav 2.0).

    y = x + sin²(a x) / b,   a = exp(α) + c,   b = exp(β) + c / 2,   c = tanh(W s + w)

α and β are learned per channel, and s is the style of the prompt. The activation is computed at twice the
rate between two low-pass filters (Kaiser-windowed sinc of twelve taps), because the harmonics of the sine
would otherwise alias. Beyond both ends a sequence is held at its first and last value.
"""

from typing import Any, NamedTuple

import torch
from torch import nn
from torch.autograd.function import once_differentiable
from torch.nn.functional import conv1d, conv_transpose1d, pad

from benchmark.data.half_band import TAPS, half_band_filter

UP_EDGE = TAPS // 2 - 1
"""Samples beyond each end that the interpolation reads, before doubling."""
DOWN_EDGES = (TAPS // 2 - 1, TAPS // 2)
"""Doubled samples beyond the start and the end that the decimation reads."""
EPSILON = 1e-9


class Ends(NamedTuple):
    """Ends of the sequences in a padded batch.

    Attributes:
        valid: (B, 1, T) bool, True up to each end.
        last: (B, 1, 1) int64, the index of each last valid value.
    """

    valid: torch.Tensor
    last: torch.Tensor

    def times(self, scale: int) -> "Ends":
        """Return the ends after upsampling by `scale`."""
        return Ends(self.valid.repeat_interleave(scale, dim=-1), scale * self.last + scale - 1)

    def hold(self, x: torch.Tensor) -> torch.Tensor:
        """Hold x (B, C, T) at its last valid value beyond each end."""
        return torch.where(self.valid, x, x.gather(2, self.last.expand(-1, x.shape[1], 1)))


class AdaptiveSnake(nn.Module):
    """Adaptive Snake activation as defined in the docstring of this module."""

    taps: torch.Tensor

    def __init__(self, channels: int, style: int) -> None:
        """Start with a and b around one, for `channels` channels and a style vector of width `style`."""
        super().__init__()
        self.alpha = nn.Parameter(torch.zeros(channels))
        self.beta = nn.Parameter(torch.zeros(channels))
        self.condition = nn.Linear(style, channels)
        # One copy per channel: a depthwise convolution is several times as fast as one over B × C rows.
        self.register_buffer("taps", half_band_filter().repeat(channels, 1, 1), persistent=False)

    def forward(self, x: torch.Tensor, style: torch.Tensor, ends: Ends | None = None) -> torch.Tensor:
        """Activate x (B, C, T) given style (B, style); the output is zero beyond `ends`."""
        with torch.autocast(x.device.type, enabled=False):  # the phase of the sine needs full precision
            condition = torch.tanh(self.condition(style.to(self.alpha.dtype)))
            frequency = (self.alpha.exp() + condition)[..., None]
            scale = 1 / (self.beta.exp() + 0.5 * condition + EPSILON)[..., None]
            if ends is None:
                return _Activation.apply(x.to(self.alpha.dtype), frequency, scale, self.taps)
            doubled = ends.times(2)
            u = doubled.hold(_upsample(ends.hold(x.to(self.alpha.dtype)), self.taps))
            return _downsample(_snake(u, frequency, scale), self.taps) * ends.valid


def _upsample(x: torch.Tensor, taps: torch.Tensor) -> torch.Tensor:
    """Upsample (B, C, T) to (B, C, 2 T)."""
    held = pad(x, (UP_EDGE, UP_EDGE), mode="replicate")
    return conv_transpose1d(held, 2 * taps, stride=2, padding=3 * UP_EDGE, groups=len(taps))


def _snake(u: torch.Tensor, frequency: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
    return torch.addcmul(u, (u * frequency).sin().square(), scale)


def _downsample(y: torch.Tensor, taps: torch.Tensor) -> torch.Tensor:
    """Downsample (B, C, 2 T) to (B, C, T)."""
    return conv1d(pad(y, DOWN_EDGES, mode="replicate"), taps, stride=2, groups=len(taps))


def _gather_edges(gradient: torch.Tensor, left: int, right: int) -> torch.Tensor:
    """Return the gradient of `pad(x, (left, right), mode="replicate")` with respect to x."""
    inner = gradient[..., left : gradient.shape[-1] - right].clone()
    inner[..., 0] += gradient[..., :left].sum(dim=-1)
    inner[..., -1] += gradient[..., gradient.shape[-1] - right :].sum(dim=-1)
    return inner


class _Activation(torch.autograd.Function):
    """Upsampling, Snake and downsampling as one function that keeps only its input for the backward pass.

    PyTorch's own graph would keep six tensors of twice the input's length, and there are 73 activations.
    """

    @staticmethod
    def forward(
        ctx: Any, x: torch.Tensor, frequency: torch.Tensor, scale: torch.Tensor, taps: torch.Tensor
    ) -> torch.Tensor:
        ctx.save_for_backward(x, frequency, scale, taps)
        return _downsample(_snake(_upsample(x, taps), frequency, scale), taps)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        x, frequency, scale, taps = ctx.saved_tensors
        channels = len(taps)
        with torch.autocast(x.device.type, enabled=False):
            u = _upsample(x, taps)
            outer = conv_transpose1d(gradient, taps, stride=2, output_padding=1, groups=channels)
            outer = _gather_edges(outer, *DOWN_EDGES)
            phase = u * frequency
            sine, slope = phase.sin(), phase.mul_(2).sin_().mul_(outer)
            for_scale = torch.linalg.vecdot(sine.square_(), outer)[..., None]
            for_frequency = torch.linalg.vecdot(slope, u)[..., None] * scale
            inner = torch.addcmul(outer, slope, frequency * scale)
            inner = conv1d(inner, 2 * taps, stride=2, padding=3 * UP_EDGE, groups=channels)
            return _gather_edges(inner, UP_EDGE, UP_EDGE), for_frequency, for_scale, None
