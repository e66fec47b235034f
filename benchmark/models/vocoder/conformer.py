"""Conformer encoder with cross-attention to a prompt in every block (CTX-vec2wav).

A block applies half feed-forward, self-attention, cross-attention, convolution and half feed-forward, each
pre-normed and residual, then a final norm. Every convolution reads zeros beyond the end of a sequence, so
that an utterance gives the same output alone as in a padded batch.

There is one deviation from the published code: the BatchNorm of the convolution module takes its training
statistics over valid frames only, where the published one also counts padding. At inference both are the
same.
"""

import math

import torch
from torch import nn

from benchmark.models.vocoder.attention import MultiHeadAttention, RelativeSelfAttention, relative_positions
from benchmark.models.vocoder.config import FrontendConfig
from benchmark.models.vocoder.convolution import FrameConv
from benchmark.training.collectives import over_ranks

EPSILON = 1e-12


class ConvFeedForward(nn.Module):
    """Two convolutions over time with a ReLU between them (FastSpeech's feed-forward)."""

    def __init__(self, config: FrontendConfig) -> None:
        super().__init__()
        kernel = config.feed_forward_kernel
        self.expand = FrameConv(config.dim, config.feed_forward, kernel)
        self.reduce = FrameConv(config.feed_forward, config.dim, kernel)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Filter x (B, T, dim) to (B, T, dim); mask (B, T, 1)."""
        return self.reduce(self.dropout(torch.relu(self.expand(x * mask))) * mask)


class FrameBatchNorm(nn.Module):
    """BatchNorm over (B, T, C) in float32 whose training statistics exclude padding.

    With several ranks the statistics are those of the whole batch.
    """

    running_mean: torch.Tensor
    running_var: torch.Tensor
    MOMENTUM = 0.1
    EPSILON = 1e-5

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(dim))
        self.bias = nn.Parameter(torch.zeros(dim))
        self.register_buffer("running_mean", torch.zeros(dim))
        self.register_buffer("running_var", torch.ones(dim))

    def forward(self, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Normalise x (B, T, C), mask (B, T, 1), by this batch or, at inference, running statistics."""
        x, mean, variance = x.float(), self.running_mean, self.running_var
        if self.training:
            valid = mask.float()
            count = over_ranks(valid.sum())
            mean = over_ranks((x * valid).sum(dim=(0, 1))) / count
            variance = over_ranks(((x - mean).square() * valid).sum(dim=(0, 1))) / count
            with torch.no_grad():
                self.running_mean.lerp_(mean, self.MOMENTUM)
                self.running_var.lerp_(variance * count / (count - 1), self.MOMENTUM)
        return (x - mean) * (torch.rsqrt(variance + self.EPSILON) * self.weight) + self.bias


class ConvolutionModule(nn.Module):
    """Pointwise convolution with a gate, depthwise convolution, norm, swish, pointwise convolution."""

    def __init__(self, config: FrontendConfig) -> None:
        super().__init__()
        dim, kernel = config.dim, config.conv_kernel
        self.gate = nn.Linear(dim, 2 * dim)
        self.depthwise = nn.Conv1d(dim, dim, kernel, padding=kernel // 2, groups=dim)
        self.norm = FrameBatchNorm(dim) if config.conv_norm == "batch" else nn.LayerNorm(dim)
        self.out = nn.Linear(dim, dim)

    def forward(self, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Filter x (B, T, dim) to (B, T, dim); mask (B, T, 1)."""
        gated = nn.functional.glu(self.gate(x), dim=-1) * mask
        mixed = self.depthwise(gated.transpose(1, 2)).transpose(1, 2)
        normal = self.norm(mixed, mask) if isinstance(self.norm, FrameBatchNorm) else self.norm(mixed)
        return self.out(nn.functional.silu(normal))


class ConformerBlock(nn.Module):
    """One Conformer block; the docstring of the module gives the order of its parts."""

    def __init__(self, config: FrontendConfig) -> None:
        super().__init__()
        self.feed_forward1 = ConvFeedForward(config)
        self.self_attention = RelativeSelfAttention(config.dim, config.heads, config.dropout)
        self.cross_attention = MultiHeadAttention(config.dim, config.heads, config.dropout)
        self.convolution = ConvolutionModule(config)
        self.feed_forward2 = ConvFeedForward(config)
        self.norms = nn.ModuleList(nn.LayerNorm(config.dim, EPSILON) for _ in range(6))
        self.dropout = nn.Dropout(config.dropout)

    def forward(
        self,
        x: torch.Tensor,
        mask: torch.Tensor,
        positions: torch.Tensor,
        prompt: torch.Tensor,
        prompt_mask: torch.Tensor,
    ) -> torch.Tensor:
        """Encode x with positions (2 T - 1, dim); other arguments as in `ConformerEncoder.forward`."""
        frames = mask[..., None]
        x = x + 0.5 * self.dropout(self.feed_forward1(self.norms[0](x), frames))
        x = x + self.dropout(self.self_attention(self.norms[1](x), positions, mask))
        x = x + self.dropout(self.cross_attention(self.norms[2](x), prompt, prompt_mask))
        x = x + self.dropout(self.convolution(self.norms[3](x), frames))
        x = x + 0.5 * self.dropout(self.feed_forward2(self.norms[4](x), frames))
        return self.norms[5](x)


class ConformerEncoder(nn.Module):
    """Stack of Conformer blocks with relative positions and a norm at the end."""

    def __init__(self, config: FrontendConfig, blocks: int) -> None:
        super().__init__()
        self.scale = math.sqrt(config.dim)
        self.dropout = nn.Dropout(config.dropout)
        self.blocks = nn.ModuleList(ConformerBlock(config) for _ in range(blocks))
        self.norm = nn.LayerNorm(config.dim, EPSILON)

    def forward(
        self, x: torch.Tensor, mask: torch.Tensor, prompt: torch.Tensor, prompt_mask: torch.Tensor
    ) -> torch.Tensor:
        """Encode the content.

        Args:
            x: (B, T, dim) content.
            mask: (B, T) bool, True where valid.
            prompt: (B, S, dim).
            prompt_mask: (B, S) bool; every prompt has a valid frame.

        Returns:
            (B, T, dim), undefined beyond the mask.
        """
        positions = self.dropout(relative_positions(x.shape[1], x.shape[2], x.device)).to(x.dtype)
        x = self.dropout(x * self.scale)
        for block in self.blocks:
            x = block(x, mask, positions, prompt, prompt_mask)
        return self.norm(x)
