"""The networks of WavTokenizer (Ji et al. 2024, arXiv 2408.16532, section 3).

The encoder is EnCodec's without causality (Défossez et al. 2022, section 3.1), followed by one codebook. The
decoder stays at the frame rate: residual blocks and attention, then ConvNeXt blocks that predict the
spectrum of each frame, as in Vocos (Siuzdak 2023, arXiv 2306.00814).
"""

import re
from collections.abc import Mapping
from math import ceil, prod

import torch
from torch import nn
from torch.nn import functional as F

from benchmark.data.inverse_stft import InverseSTFT
from benchmark.storage.weights import fold_weight_norm, renamed
from benchmark.tokenizers.networks.nearest import nearest

BANDWIDTH = 0
"""Row of the decoder's adaptive norms. The norms have four rows for training at four bitrates. All published
models have one bitrate, and their authors use the first row."""
GROUPS = 32
EPS = 1e-6

RENAMED = {
    r"^feature_extractor\.encodec\.encoder\.model\.": "encoder.",
    r"^feature_extractor\.encodec\.quantizer\.vq\.layers\.0\._codebook\.embed$": "codebook",
    r"^backbone\.": "decoder.",
    r"\.conv\.conv\.": ".",
}
"""Names in a published checkpoint, and their replacements here."""


class WavTokenizerNetwork(nn.Module):
    """The codec: a waveform to codes and back.

    Args:
        strides: Strides of the encoder's convolutions, first to last; their product is the hop.
        filters: Channels after the first convolution; they double with each stride.
        lstm_layers: Recurrent layers at the end of the encoder.
        codebook: Number of codes and their dimension.
        width: Channels of the decoder.
        inner: Hidden channels of the decoder's ConvNeXt blocks.
        blocks: Number of ConvNeXt blocks.
        rates: Rows of the adaptive norms.
    """

    codebook: torch.Tensor

    def __init__(
        self,
        strides: tuple[int, ...],
        filters: int,
        lstm_layers: int,
        codebook: tuple[int, int],
        width: int,
        inner: int,
        blocks: int,
        rates: int,
    ) -> None:
        super().__init__()
        self.hop = prod(strides)
        self.encoder = encoder(strides, filters, lstm_layers, codebook[1])
        self.register_buffer("codebook", torch.zeros(codebook))
        self.decoder = Decoder(codebook[1], width, inner, blocks, rates)
        self.head = SpectrumHead(width, 4 * self.hop, self.hop)

    @classmethod
    def of_shapes(cls, state: Mapping[str, torch.Tensor]) -> "WavTokenizerNetwork":
        """Build the network with the sizes of a state dict, whose names are those used here.

        No published file states these sizes.

        Raises:
            KeyError: the state dict is another model's.
        """
        kernels = _layers(state, r"encoder\.(\d+)\.weight")
        strides = tuple(state[name].shape[2] // 2 for name in kernels[1:-1])
        return cls(
            strides=strides,
            filters=state[kernels[0]].shape[0],
            lstm_layers=len(_layers(state, r"encoder\.\d+\.lstm\.weight_ih_l(\d+)")),
            codebook=tuple(state["codebook"].shape),  # type: ignore[arg-type]
            width=state["decoder.embed.weight"].shape[0],
            inner=state["decoder.convnext.0.pwconv1.weight"].shape[0],
            blocks=len(_layers(state, r"decoder\.convnext\.(\d+)\.gamma")),
            rates=state["decoder.norm.scale.weight"].shape[0],
        )

    def encode(self, wav: torch.Tensor) -> torch.Tensor:
        """Encode a waveform (B, T) to codes (B, ⌈T / hop⌉)."""
        latents = self.encoder(wav[:, None]).transpose(1, 2)
        return nearest(latents, self.codebook)

    def decode(self, codes: torch.Tensor) -> torch.Tensor:
        """Decode codes (B, T') to a waveform (B, T' · hop)."""
        return self.head(self.decoder(F.embedding(codes, self.codebook).transpose(1, 2)))


def _layers(state: Mapping[str, torch.Tensor], pattern: str) -> list[str]:
    """Return the names that match, ordered by the number they contain."""
    found = {int(match[1]): name for name in state if (match := re.fullmatch(pattern, name))}
    if not found:
        raise KeyError(pattern)
    return [found[index] for index in sorted(found)]


def encoder(strides: tuple[int, ...], filters: int, lstm_layers: int, dimension: int) -> nn.Sequential:
    """Build the encoder, (B, 1, T) to (B, dimension, T')."""
    layers: list[nn.Module] = [PaddedConv(1, filters, 7)]
    for stride in strides:
        layers += [
            EncoderResidual(filters),
            nn.ELU(),
            PaddedConv(filters, 2 * filters, 2 * stride, stride),
        ]
        filters *= 2
    return nn.Sequential(
        *layers, ResidualLstm(filters, lstm_layers), nn.ELU(), PaddedConv(filters, dimension, 7)
    )


class PaddedConv(nn.Conv1d):
    """Convolution over its input, mirrored at both ends."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (B, C, T) to (B, C', ⌈T / stride⌉)."""
        (kernel,), (stride,) = self.kernel_size, self.stride
        right = (kernel - stride) // 2
        left = kernel - stride - right
        size = x.shape[-1]
        right += ceil(size / stride) * stride - size  # completes the last frame
        # Input too short to be mirrored is lengthened by zeros, mirrored, and cut again by as many samples.
        extra = max(0, max(left, right) - size + 1)
        padded = F.pad(F.pad(x, (0, extra)), (left, right), mode="reflect")
        return super().forward(padded[..., : padded.shape[-1] - extra])


class EncoderResidual(nn.Module):
    """A bottleneck of two convolutions, with a convolution as its shortcut."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.block = nn.Sequential(
            nn.ELU(),
            PaddedConv(channels, channels // 2, 3),
            nn.ELU(),
            PaddedConv(channels // 2, channels, 1),
        )
        self.shortcut = PaddedConv(channels, channels, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (B, C, T) to the same shape."""
        return self.shortcut(x) + self.block(x)


class ResidualLstm(nn.Module):
    """x + the output of an LSTM over the frames of x."""

    def __init__(self, channels: int, layers: int) -> None:
        super().__init__()
        self.lstm = nn.LSTM(channels, channels, layers, batch_first=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (B, C, T) to the same shape."""
        return x + self.lstm(x.transpose(1, 2))[0].transpose(1, 2)


class Decoder(nn.Module):
    """The decoder: residual blocks with attention between them, then ConvNeXt blocks."""

    def __init__(self, dimension: int, width: int, inner: int, blocks: int, rates: int) -> None:
        super().__init__()
        self.embed = nn.Conv1d(dimension, width, 7, padding=3)
        self.pos_net = nn.Sequential(
            DecoderResidual(width),
            DecoderResidual(width),
            Attention(width),
            DecoderResidual(width),
            DecoderResidual(width),
            nn.GroupNorm(GROUPS, width, EPS),
        )
        self.norm = AdaptiveNorm(width, rates)
        self.convnext = nn.ModuleList(ConvNext(width, inner, rates) for _ in range(blocks))
        self.final_layer_norm = nn.LayerNorm(width, EPS)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map code vectors (B, dimension, T') to (B, T', width)."""
        x = self.pos_net(self.embed(x)).transpose(1, 2)
        x = self.norm(x).transpose(1, 2)
        for block in self.convnext:
            x = block(x)
        return self.final_layer_norm(x.transpose(1, 2))


class DecoderResidual(nn.Module):
    """x + two normed convolutions of x; the norms span the whole utterance."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm1 = nn.GroupNorm(GROUPS, width, EPS)
        self.conv1 = nn.Conv1d(width, width, 3, padding=1)
        self.norm2 = nn.GroupNorm(GROUPS, width, EPS)
        self.conv2 = nn.Conv1d(width, width, 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (B, width, T') to the same shape."""
        hidden = self.conv1(F.silu(self.norm1(x)))
        return x + self.conv2(F.silu(self.norm2(hidden)))


class Attention(nn.Module):
    """x + single-head attention over all frames of x."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(GROUPS, width, EPS)
        self.q, self.k, self.v, self.proj_out = (nn.Conv1d(width, width, 1) for _ in range(4))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (B, width, T') to the same shape."""
        normed = self.norm(x)
        q, k, v = (part(normed).transpose(1, 2) for part in (self.q, self.k, self.v))
        return x + self.proj_out(F.scaled_dot_product_attention(q, k, v).transpose(1, 2))


class AdaptiveNorm(nn.Module):
    """Layer norm over the last axis, whose scale and shift are looked up by bandwidth."""

    def __init__(self, width: int, rates: int) -> None:
        super().__init__()
        self.scale = nn.Embedding(rates, width)
        self.shift = nn.Embedding(rates, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (B, T', width) to the same shape."""
        return F.layer_norm(x, x.shape[-1:], self.scale.weight[BANDWIDTH], self.shift.weight[BANDWIDTH], EPS)


class ConvNext(nn.Module):
    """A depthwise convolution in time and two linear layers per frame, added to the input."""

    def __init__(self, width: int, inner: int, rates: int) -> None:
        super().__init__()
        self.dwconv = nn.Conv1d(width, width, 7, padding=3, groups=width)
        self.norm = AdaptiveNorm(width, rates)
        self.pwconv1 = nn.Linear(width, inner)
        self.pwconv2 = nn.Linear(inner, width)
        self.gamma = nn.Parameter(torch.ones(width))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (B, width, T') to the same shape."""
        hidden = self.pwconv1(self.norm(self.dwconv(x).transpose(1, 2)))
        return x + (self.gamma * self.pwconv2(F.gelu(hidden))).transpose(1, 2)


class SpectrumHead(nn.Module):
    """Head that predicts magnitude and phase of each frame and applies the inverse STFT."""

    def __init__(self, width: int, size: int, hop: int) -> None:
        super().__init__()
        self.out = nn.Linear(width, size + 2)
        self.inverse = InverseSTFT(size, hop)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (B, T', width) to a waveform (B, T' · hop)."""
        magnitude, phase = self.out(x).transpose(1, 2).chunk(2, dim=1)
        return self.inverse(torch.polar(magnitude.exp().clamp(max=100), phase))


def rename(published: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Rename the weights that encoding and decoding need from a published state dict to the names here.

    Discriminators, losses, EnCodec's decoder and the codebook's running averages are left out. Weight norm
    is folded into the kernels.
    """
    parts = ("encoder.", "decoder.", "head.out.", "codebook")
    state = {name: tensor for name, tensor in renamed(published, RENAMED).items() if name.startswith(parts)}
    return fold_weight_norm(state)
