"""Convolution over (B, T, C) sequences, and upsampling and weight-norm helpers of the generators."""

import torch
from torch import nn
from torch.nn.functional import linear, pad
from torch.nn.utils import parametrize


class FrameConv(nn.Conv1d):
    """`nn.Conv1d` with odd kernel and "same" padding, for (B, T, C) instead of (B, C, T).

    On a CPU the convolution is one matrix product over unfolded frames: for short sequences, forward and
    backward together take a third of the time of the native convolution. A GPU gains nothing from this and
    would pay in memory.
    """

    def __init__(
        self, channels: int, out_channels: int, kernel: int, stride: int = 1, padding: int | None = None
    ) -> None:
        """Like `nn.Conv1d`, except that a `padding` of None adds half a kernel of zeros at each end."""
        if padding is None and kernel % 2 == 0:
            raise ValueError(f"kernel {kernel} is even; frames would shift")
        super().__init__(channels, out_channels, kernel, stride, kernel // 2 if padding is None else padding)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (B, T, channels) to (B, T', out_channels); T' = T unless a stride or padding is given."""
        if x.is_cuda:
            return super().forward(x.transpose(1, 2)).transpose(1, 2)
        (kernel,), (stride,), padding = self.kernel_size, self.stride, int(self.padding[0])
        padded = pad(x, (0, 0, padding, padding))
        return linear(padded.unfold(1, kernel, stride).flatten(2), self.weight.flatten(1), self.bias)


def upsampling(channels: int, scale: int) -> nn.ConvTranspose1d:
    """Build a layer that multiplies the length by exactly `scale`, odd or even, and halves the channels."""
    odd = scale % 2
    return nn.ConvTranspose1d(
        channels, channels // 2, 2 * scale, scale, padding=scale // 2 + odd, output_padding=odd
    )


def fold_weight_norm(module: nn.Module) -> None:
    """Replace every weight-normed weight in `module` by a plain one, for synthesis."""
    for part in module.modules():
        if parametrize.is_parametrized(part, "weight"):
            parametrize.remove_parametrizations(part, "weight")
