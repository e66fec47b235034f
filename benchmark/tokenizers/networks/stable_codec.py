"""The networks of Stable-Codec (Parker et al. 2024, arXiv 2411.19842, section 3.1).

Patches of the waveform pass through blocks of one strided convolution and a chain of transformer layers, with
attention to a window around each frame. The decoder mirrors the encoder. The names of layers are those of
the published state dict, without its "layers".
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from benchmark.storage.weights import fold_weight_norm, renamed
from benchmark.tokenizers.networks.dilated import DilatedUnit, dilated_units
from benchmark.tokenizers.networks.snake import Snake

HEAD = 128
"""Width of an attention head; half of it is rotated by position."""
NORM_EPS, HEAD_EPS = 1e-2, 1e-6

RENAMED = {
    r"\.layers\.": ".",
    r"_norm\.gamma$": "_norm.weight",
    r"_norm\.beta$": "_norm.bias",
    r"\.ff\.ff\.0\.proj\.": ".ff_in.",
    r"\.ff\.ff\.2\.": ".ff_out.",
    r"\.glu\.proj\.": ".glu.",
}
"""Names in the published state dict, and their replacements here."""
CONSTANT = ".rope.inv_freq"


@dataclass(frozen=True, kw_only=True)
class Options:
    """Sizes of the encoder or the decoder: names and defaults of the published config file.

    Attributes:
        channels: Width that `c_mults` multiply.
        latent_dim: Dimensions of a latent.
        c_mults: Multiplier of the width of each block, from the waveform to the latents.
        strides: Factor by which each block changes the frame rate.
        transformer_depths: Transformer layers of each block.
        sliding_window: Frames before and after each frame that attention sees; −1 for all.
        use_snake: True if Snake activates before convolutions.
        use_dilated_conv: True if blocks have residual units of dilated convolutions.
        conformer: True if transformer layers have a convolution module.
        layer_scale: True if the output of each branch is scaled per channel.
    """

    channels: int = 128
    latent_dim: int = 32
    c_mults: Sequence[int] = (1, 2, 4, 8)
    strides: Sequence[int] = (2, 4, 8, 8)
    transformer_depths: Sequence[int] = (3, 3, 3, 3)
    sliding_window: Sequence[int] = (63, 64)
    use_snake: bool = False
    use_dilated_conv: bool = False
    conformer: bool = False
    layer_scale: bool = True

    @property
    def widths(self) -> list[int]:
        """Widths before the first block and after each."""
        return [self.channels * multiplier for multiplier in (self.c_mults[0], *self.c_mults)]


class StableCodecNetwork(nn.Module):
    """The autoencoder: a waveform to latents and back.

    Args:
        patch: Samples per patch.
        encoder: Options of the encoder.
        decoder: Options of the decoder.
    """

    def __init__(self, patch: int, encoder: Options, decoder: Options) -> None:
        super().__init__()
        self.patch = patch
        self.encoder = make_encoder(encoder, patch)
        self.decoder = make_decoder(decoder, patch)

    def encode(self, wav: torch.Tensor) -> torch.Tensor:
        """Encode a waveform (B, T), T a whole number of hops, to latents (B, T / hop, latent_dim)."""
        patches = wav.unflatten(1, (-1, self.patch)).transpose(1, 2)
        return self.encoder(patches).transpose(1, 2)

    def decode(self, latents: torch.Tensor) -> torch.Tensor:
        """Decode latents (B, T', latent_dim) to a waveform (B, T' · hop)."""
        return self.decoder(latents.transpose(1, 2)).transpose(1, 2).flatten(1)


def make_encoder(options: Options, patch: int) -> nn.Sequential:
    """Build the encoder, (B, patch, T) to (B, latent_dim, T')."""
    widths, stages = options.widths, zip(options.strides, options.transformer_depths, strict=True)
    blocks = []
    for number, (stride, depth) in enumerate(stages):
        before, after = widths[number], widths[number + 1]
        down = nn.Conv1d(before, after, 2 * stride, stride, padding=math.ceil(stride / 2))
        blocks.append(
            nn.Sequential(
                *_dilated(options, before),
                _activation(options, before),
                down if stride > 1 else nn.Identity(),
                _transformer(options, after, depth),
            )
        )
    return nn.Sequential(
        nn.Conv1d(patch, widths[0], 7, padding=3),
        *blocks,
        _activation(options, widths[-1]),
        nn.Conv1d(widths[-1], options.latent_dim, 3, padding=1),
    )


def make_decoder(options: Options, patch: int) -> nn.Sequential:
    """Build the decoder, (B, latent_dim, T') to (B, patch, T)."""
    widths, stages = options.widths, zip(options.strides, options.transformer_depths, strict=True)
    blocks = []
    for number, (stride, depth) in reversed(list(enumerate(stages))):
        before, after = widths[number + 1], widths[number]
        up = nn.ConvTranspose1d(before, after, 2 * stride, stride, padding=math.ceil(stride / 2))
        blocks.append(
            nn.Sequential(
                _transformer(options, before, depth),
                _activation(options, before),
                up if stride > 1 else nn.Identity(),
                *_dilated(options, after),
            )
        )
    return nn.Sequential(
        nn.Conv1d(options.latent_dim, widths[-1], 3, padding=1),
        *blocks,
        _activation(options, widths[0]),
        nn.Conv1d(widths[0], patch, 7, padding=3, bias=False),
    )


def _activation(options: Options, width: int) -> nn.Module:
    return Snake(width) if options.use_snake else nn.Identity()


def _dilated(options: Options, width: int) -> list[DilatedUnit]:
    if not options.use_dilated_conv:
        return []
    return dilated_units(width, lambda: Snake(width) if options.use_snake else nn.ELU())


def _transformer(options: Options, width: int, depth: int) -> nn.Sequential:
    return nn.Sequential(Transpose(), *(Layer(options, width) for _ in range(depth)), Transpose())


class Transpose(nn.Module):
    """Exchange of channels and frames."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (B, C, T) to (B, T, C) and back."""
        return x.transpose(1, 2)


class Layer(nn.Module):
    """Transformer layer: attention, an optional convolution module, and a gated feed-forward part."""

    def __init__(self, options: Options, width: int) -> None:
        super().__init__()
        self.pre_norm = nn.LayerNorm(width, NORM_EPS)
        self.self_attn = Attention(width, options.sliding_window)
        self.self_attn_scale = Scale(width) if options.layer_scale else nn.Identity()
        self.conformer = Convolution(width) if options.conformer else None
        self.conformer_scale = Scale(width) if options.conformer and options.layer_scale else nn.Identity()
        self.ff_norm = nn.LayerNorm(width, NORM_EPS)
        self.ff_in = nn.Linear(width, 8 * width)
        self.ff_out = nn.Linear(4 * width, width)
        self.ff_scale = Scale(width) if options.layer_scale else nn.Identity()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (B, T, width) to the same shape."""
        x = x + self.self_attn_scale(self.self_attn(self.pre_norm(x)))
        if self.conformer is not None:
            x = x + self.conformer_scale(self.conformer(x))
        return x + self.ff_scale(self.ff_out(gated(self.ff_in(self.ff_norm(x)))))


def gated(x: torch.Tensor) -> torch.Tensor:
    """Multiply the first half of the channels (…, 2 D) by SiLU of the second."""
    value, gate = x.chunk(2, dim=-1)
    return value * F.silu(gate)


class Scale(nn.Module):
    """Multiplication of each channel by a learned factor."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(width))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (B, T, width) to the same shape."""
        return x * self.scale


class Convolution(nn.Module):
    """The Conformer's convolution module (Gulati et al. 2020), with layer norm in place of batch norm."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.in_norm = nn.LayerNorm(width, NORM_EPS)
        self.pointwise_conv = nn.Conv1d(width, width, 1, bias=False)
        self.glu = nn.Linear(width, 2 * width)
        self.depthwise_conv = nn.Conv1d(width, width, 17, groups=width, padding=8, bias=False)
        self.mid_norm = nn.LayerNorm(width, NORM_EPS)
        self.pointwise_conv_2 = nn.Conv1d(width, width, 1, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (B, T, width) to the same shape."""
        x = self.pointwise_conv(self.in_norm(x).transpose(1, 2)).transpose(1, 2)
        x = self.depthwise_conv(gated(self.glu(x)).transpose(1, 2)).transpose(1, 2)
        x = F.silu(self.mid_norm(x))
        return self.pointwise_conv_2(x.transpose(1, 2)).transpose(1, 2)


class Attention(nn.Module):
    """Multi-head attention within a window, with normed queries and keys and rotary positions.

    Upstream runs attention in half precision, as its kernel (FlashAttention) requires.
    """

    def __init__(self, width: int, window: Sequence[int]) -> None:
        super().__init__()
        self.head, self.window = min(HEAD, width), tuple(window)
        self.to_qkv = nn.Linear(width, 3 * width, bias=False)
        self.to_out = nn.Linear(width, width, bias=False)
        self.q_norm = nn.LayerNorm(self.head, HEAD_EPS)
        self.k_norm = nn.LayerNorm(self.head, HEAD_EPS)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (B, T, width) to the same shape."""
        q, k, v = (part.unflatten(2, (-1, self.head)).transpose(1, 2) for part in self.to_qkv(x).chunk(3, -1))
        positions = torch.arange(x.shape[1], device=x.device)
        q, k = rotate(self.q_norm(q), positions), rotate(self.k_norm(k), positions)
        before, after = (len(positions) if reach < 0 else reach for reach in self.window)
        distance = positions - positions[:, None]
        seen = (distance >= -before) & (distance <= after)
        attended = F.scaled_dot_product_attention(q, k, v, attn_mask=seen)
        return self.to_out(attended.transpose(1, 2).flatten(2))


def rotate(x: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
    """Rotate the first half of the channels of x (B, H, T, D) by position (Su et al. 2021, RoFormer).

    Channel i of that half is paired with channel i + D / 4.
    """
    size = x.shape[-1] // 4
    rates = 1 / 10_000 ** (torch.arange(0, 2 * size, 2, device=x.device).float() / (2 * size))
    angles = positions.float()[:, None] * rates
    first, second, rest = x.split((size, size, x.shape[-1] - 2 * size), dim=-1)
    cos, sin = angles.cos(), angles.sin()
    return torch.cat((first * cos - second * sin, second * cos + first * sin, rest), dim=-1)


def rename(published: Mapping[str, Any]) -> dict[str, torch.Tensor]:
    """Rename the autoencoder's weights in a published state dict to the names here; fold weight norm in.

    Other parts, such as a training head, and constants, which are computed here, are left out.
    """
    used = {
        name: tensor
        for name, tensor in published.items()
        if name.startswith(("encoder.", "decoder.")) and not name.endswith(CONSTANT)
    }
    return fold_weight_norm(renamed(used, RENAMED))
