"""The lower layers of WavLM-large (Chen et al. 2022), whose features codecs encode and decode.

Tensors are (B, T, D) between modules. With l layers the output is hidden state l of `WavLMModel` in
transformers, but only the weights of those l layers are needed.
"""

from math import log

import torch
from torch import nn
from torch.nn.functional import gelu, pad, scaled_dot_product_attention


class ConvLayer(nn.Module):
    """A strided convolution, layer norm and GELU of WavLM's stem."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int) -> None:
        super().__init__()
        self.conv = nn.Conv1d(inputs, outputs, kernel, stride, bias=False)
        self.norm = nn.LayerNorm(outputs)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (B, T, D) to (B, T', D'); input shorter than the kernel is padded to one frame."""
        x = pad(x.mT, (0, max(0, self.conv.kernel_size[0] - x.shape[1])))
        return gelu(self.norm(self.conv(x).mT))


class FeedForward(nn.Module):
    """Two linear layers with GELU between them."""

    def __init__(self, width: int, inner: int) -> None:
        super().__init__()
        self.in_proj = nn.Linear(width, inner)
        self.out_proj = nn.Linear(inner, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (B, T, D) to (B, T, D)."""
        return self.out_proj(gelu(self.in_proj(x)))


class GatedAttention(nn.Module):
    """Self-attention with WavLM's relative position bias, which each query scales by two gates."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.q_proj = nn.Linear(width, width)
        self.k_proj = nn.Linear(width, width)
        self.v_proj = nn.Linear(width, width)
        self.out_proj = nn.Linear(width, width)
        self.gru_rel_pos_linear = nn.Linear(width // heads, 8)
        self.gru_rel_pos_const = nn.Parameter(torch.ones(1, heads, 1, 1))

    def forward(self, x: torch.Tensor, position_bias: torch.Tensor) -> torch.Tensor:
        """Map (B, T, D) to (B, T, D), with a position bias (heads, T, T)."""

        def split(rows: torch.Tensor) -> torch.Tensor:
            return rows.unflatten(2, (self.heads, -1)).transpose(1, 2)

        gates = self.gru_rel_pos_linear(split(x)).unflatten(-1, (2, 4)).sum(-1).sigmoid()
        update, reset = gates.chunk(2, -1)
        bias = (update * (reset * self.gru_rel_pos_const - 1) + 2) * position_bias
        query, key, value = split(self.q_proj(x)), split(self.k_proj(x)), split(self.v_proj(x))
        mixed = scaled_dot_product_attention(query, key, value, attn_mask=bias)
        return self.out_proj(mixed.transpose(1, 2).flatten(2))


class TransformerLayer(nn.Module):
    """A pre-norm transformer layer."""

    def __init__(self, width: int, inner: int, heads: int) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(width)
        self.attention = GatedAttention(width, heads)
        self.feed_forward_norm = nn.LayerNorm(width)
        self.feed_forward = FeedForward(width, inner)

    def forward(self, x: torch.Tensor, position_bias: torch.Tensor) -> torch.Tensor:
        """Map (B, T, D) to (B, T, D)."""
        x = x + self.attention(self.attention_norm(x), position_bias)
        return x + self.feed_forward(self.feed_forward_norm(x))


class Transformer(nn.Module):
    """WavLM's layers with convolutional position embeddings; the norm after the last layer is not applied."""

    def __init__(
        self,
        width: int,
        inner: int,
        layers: int,
        heads: int,
        buckets: int,
        max_distance: int,
        kernel: int,
        groups: int,
    ) -> None:
        super().__init__()
        self.max_distance = max_distance
        self.positional_embedding = nn.ModuleDict(
            {"conv": nn.Conv1d(width, width, kernel, padding=kernel // 2, groups=groups)}
        )
        self.relative_embedding = nn.Embedding(buckets, heads)
        self.layers = nn.ModuleList(TransformerLayer(width, inner, heads) for _ in range(layers))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (B, T, D) to (B, T, D)."""
        frames = x.shape[1]
        x = x + gelu(self.positional_embedding["conv"](x.mT)[..., :frames].mT)
        bias = self._position_bias(frames, x.device)
        for layer in self.layers:
            x = layer(x, bias)
        return x

    def _position_bias(self, frames: int, device: torch.device) -> torch.Tensor:
        """Return the position bias (heads, T, T).

        Distances up to a quarter of the number of buckets have buckets of their own. Greater distances share
        buckets, on a logarithmic scale.
        """
        half = self.relative_embedding.num_embeddings // 2
        exact = half // 2
        position = torch.arange(frames, device=device)
        offset = position - position[:, None]
        distance = offset.abs()
        spread = (distance / exact).log() / log(self.max_distance / exact) * (half - exact) + exact
        far = spread.clamp(min=0, max=half - 1).long()
        bucket = torch.where(distance < exact, distance, far) + half * (offset > 0)
        return self.relative_embedding(bucket).permute(2, 0, 1)


class WavLM(nn.Module):
    """The convolutional stem and the first `num_layers` transformer layers.

    The arguments have the names of FocalCodec's config file.
    """

    def __init__(
        self,
        hidden_dims: list[int],
        kernel_sizes: list[int],
        strides: list[int],
        num_layers: int,
        dim: int,
        ffn_dim: int,
        num_heads: int,
        num_buckets: int,
        max_distance: int,
        conv_pos: int,
        conv_pos_groups: int,
    ) -> None:
        super().__init__()
        stem = zip([1, *hidden_dims], hidden_dims, kernel_sizes, strides, strict=False)
        self.feature_extractor = nn.ModuleDict({"layers": nn.Sequential(*(ConvLayer(*s) for s in stem))})
        self.norm = nn.LayerNorm(hidden_dims[-1])
        self.feature_proj = nn.Linear(hidden_dims[-1], dim)
        self.encoder = Transformer(
            dim, ffn_dim, num_layers, num_heads, num_buckets, max_distance, conv_pos, conv_pos_groups
        )

    def forward(self, wav: torch.Tensor) -> torch.Tensor:
        """Map (B, T) at 16 kHz to (B, T', D)."""
        features = self.feature_extractor["layers"](wav[..., None])
        return self.encoder(self.feature_proj(self.norm(features)))
