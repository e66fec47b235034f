"""Multi-head attention: relative self-attention over the content, and cross-attention to a prompt."""

import math

import torch
from torch import nn
from torch.nn.functional import pad, scaled_dot_product_attention


def frame_mask(lengths: torch.Tensor, frames: int) -> torch.Tensor:
    """Return a (B, frames) bool mask, True where a frame lies within its sequence."""
    return torch.arange(frames, device=lengths.device) < lengths[:, None]


def relative_positions(frames: int, dim: int, device: torch.device) -> torch.Tensor:
    """Return (2 * frames - 1, dim) sinusoids of the offsets frames - 1 … 0 … 1 - frames."""
    offsets = torch.arange(frames - 1, -frames, -1, device=device, dtype=torch.float32)
    pairs = torch.arange(0, dim, 2, device=device, dtype=torch.float32)
    angles = offsets[:, None] * torch.exp(pairs * (-math.log(10_000.0) / dim))
    return torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(1)


class MultiHeadAttention(nn.Module):
    """Scaled dot-product attention of `heads` heads with output projection (Vaswani et al., 2017)."""

    def __init__(self, dim: int, heads: int, dropout: float) -> None:
        super().__init__()
        if dim % heads or dim % 2:
            raise ValueError(f"dim {dim} must be even and a multiple of the {heads} heads")
        self.heads = heads
        self.dropout = dropout
        self.query = nn.Linear(dim, dim)
        self.key = nn.Linear(dim, dim)
        self.value = nn.Linear(dim, dim)
        self.out = nn.Linear(dim, dim)

    def forward(self, x: torch.Tensor, memory: torch.Tensor, memory_mask: torch.Tensor) -> torch.Tensor:
        """Attend from x (B, T, dim) to memory (B, S, dim); memory_mask (B, S) is True where valid."""
        query, key, value = self.query(x), self.key(memory), self.value(memory)
        mask = memory_mask[:, None, None, :]
        return self._attend(self._heads(query), self._heads(key), self._heads(value), mask)

    def _heads(self, x: torch.Tensor) -> torch.Tensor:
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)

    def _attend(
        self, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, mask: torch.Tensor
    ) -> torch.Tensor:
        dropout = self.dropout if self.training else 0.0
        mixed = scaled_dot_product_attention(query, key, value, mask, dropout)
        return self.out(mixed.transpose(1, 2).flatten(2))


class RelativeSelfAttention(MultiHeadAttention):
    """Self-attention whose scores add a term for the distance (Transformer-XL, Dai et al., 2019)."""

    def __init__(self, dim: int, heads: int, dropout: float) -> None:
        super().__init__(dim, heads, dropout)
        self.position = nn.Linear(dim, dim, bias=False)
        self.content_bias = nn.Parameter(torch.empty(heads, 1, dim // heads))
        self.position_bias = nn.Parameter(torch.empty(heads, 1, dim // heads))
        nn.init.xavier_uniform_(self.content_bias)
        nn.init.xavier_uniform_(self.position_bias)

    def forward(self, x: torch.Tensor, positions: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Attend within x (B, T, dim).

        Args:
            x: Content.
            positions: (2 T - 1, dim), see `relative_positions`.
            mask: (B, T), True where a frame is valid.
        """
        query, key = self._heads(self.query(x)), self._heads(self.key(x))
        offsets = self._heads(self.position(positions)[None])
        by_distance = _by_key((query + self.position_bias) @ offsets.transpose(-1, -2))
        scores = by_distance / math.sqrt(query.shape[-1])
        scores = scores.masked_fill(~mask[:, None, None, :], float("-inf"))
        return self._attend(query + self.content_bias, key, self._heads(self.value(x)), scores)


def _by_key(scores: torch.Tensor) -> torch.Tensor:
    """Map scores (B, H, T, 2 T - 1) by offset to scores (B, H, T, T) by key, shifting row i left by i."""
    batch, heads, frames, offsets = scores.shape
    shifted = pad(scores, (1, 0)).view(batch, heads, offsets + 1, frames)[:, :, 1:]
    return shifted.reshape(batch, heads, frames, offsets)[..., :frames]
