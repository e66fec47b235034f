"""The networks of LLM-Codec (Yang et al. 2024, UniAudio 1.5, arXiv 2406.10056, section 3).

Encoder and decoder are SNAC's: depthwise convolutions with Snake activations, attention within windows of
eight frames, and noise in the decoder (Siuzdak et al. 2024, arXiv 2410.14411). The codebooks are tables of
word embeddings of LLaMA 2, which training left as they were, behind one linear layer each that is learnt.
"""

import re
from collections.abc import Mapping, Sequence
from math import lcm, prod

import torch
from torch import nn
from torch.nn import functional as F

from benchmark.storage.weights import fold_weight_norm

STRIDES = (4, 2, 1)
"""Frames of the encoder that one code of each codebook spans."""
WINDOW = 8
"""Frames that attend to one another."""
GROUP = lcm(WINDOW, *STRIDES)
"""Frames of which the network sees whole multiples only."""
HEAD = 64
"""Channels of an attention head."""
EPS = 1e-9
WEIGHTS = re.compile(r"(encoder|decoder)\.(?!.*rel_pos)")
"""Names of the weights that are loaded; the angles of the rotary positions are computed."""


class LlmCodecNetwork(nn.Module):
    """The codec: a waveform to codes of three rates and back.

    Args:
        strides: Strides of the encoder's convolutions, first to last; their product is the hop.
        filters: Channels after the first convolution; they double with each stride.
        width: Channels at the start of the decoder; they halve with each stride.
        sizes: Entries of each codebook.
    """

    def __init__(self, strides: Sequence[int], filters: int, width: int, sizes: Sequence[int]) -> None:
        super().__init__()
        dimension = filters * 2 ** len(strides)
        self.hop = prod(strides)
        self.encoder = encoder(strides, filters)
        self.books = nn.ParameterList(torch.zeros(size, dimension) for size in sizes)
        self.decoder = decoder(strides[::-1], dimension, width)

    @classmethod
    def of_shapes(cls, state: Mapping[str, torch.Tensor]) -> "LlmCodecNetwork":
        """Build the network with the sizes of a state dict, whose names are those used here.

        Raises:
            KeyError: the state dict is another model's.
        """
        strides = [state["encoder.1.4.weight"].shape[2] // 2]
        while (name := f"encoder.{len(strides) + 1}.4.weight") in state:
            strides.append(state[name].shape[2] // 2)
        return cls(
            strides=strides,
            filters=len(state["encoder.0.weight"]),
            width=len(state["decoder.1.weight"]),
            sizes=[len(state[f"books.{level}"]) for level in range(len(STRIDES))],
        )

    def encode(self, wav: torch.Tensor) -> list[torch.Tensor]:
        """Encode a waveform (B, T) to the codes of each book, (B, T' / stride).

        T' is the number of frames after zeros complete the last group of `GROUP` frames.
        """
        wav = F.pad(wav, (0, -wav.shape[1] % (self.hop * GROUP)))
        residual = self.encoder(wav[:, None])
        codes = []
        for stride, book in zip(STRIDES, self.books, strict=True):
            latents = F.avg_pool1d(residual, stride, stride).transpose(1, 2)
            # Row by row, because distances to 32,000 entries take much memory.
            codes.append(torch.stack([nearest(row, book) for row in latents]))
            residual = residual - spread(codes[-1], book, stride)
        return codes

    def decode(self, codes: Sequence[torch.Tensor]) -> torch.Tensor:
        """Decode the codes of each book, (B, T' / stride), to a waveform (B, T' · hop); draws noise."""
        books = zip(STRIDES, self.books, codes, strict=True)
        vectors = [spread(code, book, stride) for stride, book, code in books]
        return self.decoder(vectors[0] + vectors[1] + vectors[2])[:, 0]


def spread(codes: torch.Tensor, book: torch.Tensor, stride: int) -> torch.Tensor:
    """Return the vectors (B, D, stride · T) of codes (B, T), each repeated `stride` times."""
    return F.embedding(codes, book).transpose(1, 2).repeat_interleave(stride, -1)


def nearest(latents: torch.Tensor, book: torch.Tensor) -> torch.Tensor:
    """Return for each latent (T, D) the index of the entry of `book` (V, D) with the nearest direction."""
    latents, book = F.normalize(latents), F.normalize(book)
    # The order of operations is upstream's, so that near-ties are broken in the same way.
    distances = latents.pow(2).sum(1, keepdim=True) - 2 * latents @ book.T + book.pow(2).sum(1)
    return distances.argmin(1)


def encoder(strides: Sequence[int], filters: int) -> nn.Sequential:
    """Build the encoder, (B, 1, T) to (B, D, T')."""
    layers: list[nn.Module] = [nn.Conv1d(1, filters, 7, padding=3)]
    for stride in strides:
        down = nn.Conv1d(filters, 2 * filters, 2 * stride, stride, padding=(stride + 1) // 2)
        layers.append(nn.Sequential(*_residuals(filters), Snake(filters), down))
        filters *= 2
    depthwise = nn.Conv1d(filters, filters, 7, padding=3, groups=filters)
    return nn.Sequential(*layers, WindowAttention(filters), depthwise)


def decoder(strides: Sequence[int], dimension: int, width: int) -> nn.Sequential:
    """Build the decoder, (B, D, T') to (B, 1, T)."""
    layers: list[nn.Module] = [
        nn.Conv1d(dimension, dimension, 7, padding=3, groups=dimension),
        nn.Conv1d(dimension, width, 1),
        WindowAttention(width),
    ]
    for stride in strides:
        half = width // 2
        up = nn.ConvTranspose1d(
            width, half, 2 * stride, stride, padding=(stride + 1) // 2, output_padding=stride % 2
        )
        layers.append(nn.Sequential(Snake(width), up, Noise(half), *_residuals(half)))
        width = half
    return nn.Sequential(*layers, Snake(width), nn.Conv1d(width, 1, 7, padding=3), nn.Tanh())


def _residuals(channels: int) -> list["Residual"]:
    return [Residual(channels, dilation) for dilation in (1, 3, 9)]


class Residual(nn.Sequential):
    """x + a dilated depthwise and a pointwise convolution of x."""

    def __init__(self, channels: int, dilation: int) -> None:
        super().__init__(
            Snake(channels),
            nn.Conv1d(channels, channels, 7, padding=3 * dilation, dilation=dilation, groups=channels),
            Snake(channels),
            nn.Conv1d(channels, channels, 1),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (B, channels, T) to the same shape."""
        return x + super().forward(x)


class Snake(nn.Module):
    """The activation x + sin²(αx) / α (Ziyin et al. 2020, arXiv 2006.08195), with α learnt per channel."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.alpha = nn.Parameter(torch.ones(1, channels, 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (B, channels, T) to the same shape."""
        return x + (self.alpha + EPS).reciprocal() * torch.sin(self.alpha * x).pow(2)


class Noise(nn.Module):
    """x + noise that all channels share, scaled for each channel and sample by a linear map of x."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.linear = nn.Conv1d(channels, channels, 1, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (B, channels, T) to the same shape."""
        noise = torch.randn(len(x), 1, x.shape[2], device=x.device, dtype=x.dtype)
        return x + noise * self.linear(x)


class WindowAttention(nn.Module):
    """x + self-attention within windows of eight frames that do not overlap, with rotary positions."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(channels)
        self.to_qkv = nn.Linear(channels, 3 * channels, bias=False)
        self.to_out = nn.Linear(channels, channels, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (B, channels, T') to the same shape; T' is a whole number of windows."""
        projected = self.to_qkv(self.norm(x.transpose(1, 2))).unflatten(-1, (-1, HEAD))  # (B, T', heads, …)
        windows = projected.unflatten(1, (-1, WINDOW)).transpose(2, 3)  # (B, windows, 3 · heads, …)
        q, k, v = windows.chunk(3, dim=2)
        attended = F.scaled_dot_product_attention(rotate(q), rotate(k), v)
        merged = attended.transpose(2, 3).flatten(1, 2).flatten(2)
        return x + self.to_out(merged).transpose(1, 2)


def rotate(x: torch.Tensor) -> torch.Tensor:
    """Rotate the channels of x (…, T, C) by angles that grow with T, in pairs half the channels apart.

    Su et al. 2021, arXiv 2104.09864.
    """
    steps, half = x.shape[-2], x.shape[-1] // 2
    frequencies = 10_000 ** (-torch.arange(half, device=x.device) / half)
    angles = torch.arange(steps, device=x.device)[:, None] * frequencies
    one, other = x.chunk(2, dim=-1)
    cosine, sine = angles.cos(), angles.sin()
    return torch.cat([one * cosine - other * sine, other * cosine + one * sine], dim=-1)


def rename(published: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Rename a published state dict to the names here, fold weight norm, and project the codebooks.

    The linear layer behind each table of word embeddings is applied once, here. What remains of a table of
    32,000 × 4,096 is 32,000 × 512.
    """
    state = {
        re.sub(r"\.(block|model)(?=\.)", "", name): tensor.float()
        for name, tensor in published.items()
        if WEIGHTS.match(name)
    }
    for level in range(len(STRIDES)):
        layer = f"quantizer.quantizers.{level}"
        words, weight, bias = (
            published[f"{layer}.{name}"].float()
            for name in ("codebook.weight", "cb_proj.weight", "cb_proj.bias")
        )
        state[f"books.{level}"] = F.linear(words, weight, bias)
    return fold_weight_norm(state)
