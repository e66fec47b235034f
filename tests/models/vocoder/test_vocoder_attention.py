"""Attention and convolution against plain definitions."""

import math

import pytest
import torch

from benchmark.models.vocoder.attention import (
    MultiHeadAttention,
    RelativeSelfAttention,
    frame_mask,
    relative_positions,
)
from benchmark.models.vocoder.convolution import FrameConv

DIM, HEADS, FRAMES = 12, 3, 7


def test_relative_attention_equals_its_definition() -> None:
    torch.manual_seed(0)
    layer = RelativeSelfAttention(DIM, HEADS, 0.0).eval()
    x, width = torch.randn(1, FRAMES, DIM), DIM // HEADS
    mask = frame_mask(torch.tensor([5]), FRAMES)

    def sinusoid(offset: int) -> torch.Tensor:
        angles = [offset / 10_000 ** (2 * k / DIM) for k in range(DIM // 2)]
        return torch.tensor([f(a) for a in angles for f in (math.sin, math.cos)])

    query, key, value = (p(x)[0].view(FRAMES, HEADS, width) for p in (layer.query, layer.key, layer.value))
    out = torch.zeros(FRAMES, HEADS, width)
    for head in range(HEADS):
        for i in range(FRAMES):
            scores = torch.stack(
                [
                    (query[i, head] + layer.content_bias[head, 0]) @ key[j, head]
                    + (query[i, head] + layer.position_bias[head, 0])
                    @ layer.position(sinusoid(i - j)).view(HEADS, width)[head]
                    for j in range(5)
                ]
            )
            out[i, head] = torch.softmax(scores / math.sqrt(width), 0) @ value[:5, head]
    expected = layer.out(out.flatten(1))
    got = layer(x, relative_positions(FRAMES, DIM, x.device), mask)[0]
    torch.testing.assert_close(got, expected, atol=1e-5, rtol=1e-5)


def test_cross_attention_ignores_the_order_and_the_padding_of_its_memory() -> None:
    torch.manual_seed(0)
    layer = MultiHeadAttention(DIM, HEADS, 0.0).eval()
    x, memory = torch.randn(1, FRAMES, DIM), torch.randn(1, 9, DIM)
    mask = frame_mask(torch.tensor([6]), 9)
    shuffled = torch.cat([memory[:, torch.randperm(6)], torch.full((1, 3, DIM), 50.0)], dim=1)
    torch.testing.assert_close(layer(x, memory, mask), layer(x, shuffled, mask))
    assert not torch.allclose(layer(x, memory, mask), layer(x, memory + 1, mask))


@pytest.mark.parametrize("kernel", [1, 3, 5])
def test_frame_conv_equals_conv1d(kernel: int) -> None:
    torch.manual_seed(0)
    ours, x = FrameConv(4, 6, kernel), torch.randn(2, 9, 4)
    native = torch.nn.Conv1d(4, 6, kernel, padding=kernel // 2)
    native.load_state_dict(ours.state_dict())
    torch.testing.assert_close(ours(x), native(x.transpose(1, 2)).transpose(1, 2))


def test_even_kernels_are_refused() -> None:
    with pytest.raises(ValueError, match="even"):
        FrameConv(4, 4, 4)
