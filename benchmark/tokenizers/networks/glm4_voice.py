"""The encoder of GLM-4-Voice's tokenizer: the lower half of Whisper's, with little look-ahead.

See Zeng et al. 2024 (arXiv 2412.02612), section 2.1. Parameters are named as in the published checkpoint.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn
from torch.nn import functional

KERNEL = 3


class CausalConv(nn.Conv1d):
    """A causal convolution: all padding is on the left."""

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        """Map (B, C, T) to (B, C', ceil(T / stride))."""
        return super().forward(functional.pad(input, (self.kernel_size[0] - 1, 0)))


class Attention(nn.Module):
    """Multi-head self-attention; keys have no bias, as everywhere in Whisper."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.q_proj = nn.Linear(width, width)
        self.k_proj = nn.Linear(width, width, bias=False)
        self.v_proj = nn.Linear(width, width)
        self.out_proj = nn.Linear(width, width)

    def forward(self, x: torch.Tensor, visible: torch.Tensor) -> torch.Tensor:
        """Map (B, T, D) to (B, T, D); `visible` (B, 1, T, T) says which frame sees which."""
        projections = (self.q_proj, self.k_proj, self.v_proj)
        query, key, value = (part(x).unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in projections)
        mixed = functional.scaled_dot_product_attention(query, key, value, attn_mask=visible)
        return self.out_proj(mixed.transpose(1, 2).flatten(2))


class Block(nn.Module):
    """A pre-norm transformer block."""

    def __init__(self, width: int, heads: int, inner: int) -> None:
        super().__init__()
        self.self_attn_layer_norm = nn.LayerNorm(width)
        self.self_attn = Attention(width, heads)
        self.final_layer_norm = nn.LayerNorm(width)
        self.fc1 = nn.Linear(width, inner)
        self.fc2 = nn.Linear(inner, width)

    def forward(self, x: torch.Tensor, visible: torch.Tensor) -> torch.Tensor:
        """Map (B, T, D) to (B, T, D)."""
        x = x + self.self_attn(self.self_attn_layer_norm(x), visible)
        return x + self.fc2(functional.gelu(self.fc1(self.final_layer_norm(x))))


class BlockCausalEncoder(nn.Module):
    """The encoder of log-mel frames of 10 ms to vectors of 80 ms, and the codebook that quantizes them.

    Args:
        config: The checkpoint's config.json, from which the sizes are read.
    """

    def __init__(self, config: Mapping[str, Any]) -> None:
        super().__init__()
        width = config["d_model"]
        self.pool = config["pooling_kernel_size"]
        self.look_ahead = config["quantize_causal_block_size"]
        self.conv1 = CausalConv(config["num_mel_bins"], width, KERNEL)
        self.conv2 = CausalConv(width, width, KERNEL, stride=2)
        self.embed_positions = nn.Embedding(config["max_source_positions"], width)
        # Whisper has twice as many; the layers after the quantizer serve recognition in training only.
        self.layers = nn.ModuleList(
            Block(width, config["encoder_attention_heads"], config["encoder_ffn_dim"])
            for _ in range(config["quantize_position"])
        )
        self.codebook = nn.Embedding(config["quantize_vocab_size"], width)

    def forward(self, mel: torch.Tensor, frames: torch.Tensor) -> torch.Tensor:
        """Encode segments.

        Args:
            mel: (B, n_mels, T), at most 30 s, T a multiple of 8.
            frames: (B,) number of the T / 2 frames of 20 ms that hold speech; attention ignores the others.

        Returns:
            (B, T / 8, D).
        """
        x = functional.gelu(self.conv2(functional.gelu(self.conv1(mel)))).transpose(1, 2)
        x = x + self.embed_positions.weight[: x.shape[1]]
        visible = self.visible(x.shape[1], frames)
        for layer in self.layers:
            x = layer(x, visible)
        return functional.avg_pool1d(x.transpose(1, 2), self.pool).transpose(1, 2)

    def visible(self, length: int, frames: torch.Tensor) -> torch.Tensor:
        """Return the mask (B, 1, T, T): each frame sees all speech up to the end of its own block of 4 s."""
        time = torch.arange(length, device=frames.device)
        block_end = (time // self.look_ahead + 1) * self.look_ahead
        return (time < block_end[:, None]) & (time < frames[:, None, None, None])
