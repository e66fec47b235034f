"""The networks of FACodec (Ju et al. 2024, NaturalSpeech 3, arXiv 2403.03100, section 3.2).

Convolutions with Snake activations encode 80 frames per second. Three factorised quantizers split the
latents into prosody, content and remaining detail. A small transformer computes a speaker vector from the
same latents, averaged over time; the vector conditions the mirror-image decoder through the scale and shift
of a norm.
"""

from collections.abc import Iterator, Mapping

import torch
from torch import nn
from torch.nn import functional as F

from benchmark.storage.weights import fold_weight_norm, renamed
from benchmark.tokenizers.networks.dilated import DilatedUnit, dilated_units
from benchmark.tokenizers.networks.nearest import nearest
from benchmark.tokenizers.networks.snake import AntiAliasedSnake

STRIDES = (2, 4, 5, 5)
"""Strides of the encoder, first to last; the decoder has them in reverse."""
HOP = 200
BOOKS = (1, 2, 3)
"""Number of codebooks of prosody, content and acoustic detail, in their order in the codes."""
HEADS = 4

RENAMED = {
    r"^decoder\.model\.": "decoder.",
    r"^decoder\.(timbre_\w+)\.": r"\1.",
    r"^decoder\.quantizer\.0\.layers\.": "prosody.",
    r"^decoder\.quantizer\.1\.layers\.": "content.",
    r"^decoder\.quantizer\.2\.layers\.": "detail.",
    r"\.(block|act|ffn)\.": ".",
    r"\._codebook\.weight$": ".codebook",
}
"""Names in the two published files, after "encoder." and "decoder.", and their replacements here."""
CONSTANT = (".filter", ".pe")


class FacodecNetwork(nn.Module):
    """The codec: a waveform to codes and a speaker vector, and back.

    Args:
        filters: Channels after the encoder's first convolution; they double with each stride.
        dimension: Dimension of latents and speaker vectors.
        book: Entries of each codebook, and the dimension in which they are looked up.
        width: Channels after the decoder's first convolution; they halve with each stride.
        timbre_layers: Layers of the transformer that computes the speaker vector.
        timbre_inner: Hidden channels of that transformer's feed-forward parts.
    """

    def __init__(
        self,
        filters: int,
        dimension: int,
        book: tuple[int, int],
        width: int,
        timbre_layers: int,
        timbre_inner: int,
    ) -> None:
        super().__init__()
        self.encoder = encoder(filters, dimension)
        self.prosody, self.content, self.detail = (Books(count, dimension, *book) for count in BOOKS)
        self.timbre_encoder = TimbreEncoder(dimension, timbre_layers, timbre_inner)
        self.timbre_linear = nn.Linear(dimension, 2 * dimension)
        self.decoder = decoder(dimension, width)

    @classmethod
    def of_shapes(cls, state: Mapping[str, torch.Tensor]) -> "FacodecNetwork":
        """Build the network with the widths of a state dict, whose names are those used here.

        Raises:
            KeyError: the state dict is another model's.
        """
        layers = {name.split(".")[2] for name in state if name.startswith("timbre_encoder.layers.")}
        entries, book_dimension = state["prosody.0.codebook"].shape
        return cls(
            filters=state["encoder.0.weight"].shape[0],
            dimension=state["timbre_linear.weight"].shape[1],
            book=(entries, book_dimension),
            width=state["decoder.0.weight"].shape[0],
            timbre_layers=len(layers),
            timbre_inner=state["timbre_encoder.layers.0.ffn_2.weight"].shape[1],
        )

    @property
    def books(self) -> list["FactorizedBook"]:
        """All codebooks, in the order of the codes."""
        return [*self.prosody, *self.content, *self.detail]

    def encode(self, wav: torch.Tensor) -> torch.Tensor:
        """Encode a waveform (B, T), T a whole number of hops, to codes (B, 6, T / HOP)."""
        latents = self.encoder(wav[:, None]).transpose(1, 2)
        # Prosody and content are both read from the latents; detail codes the residual of both.
        prosody, prosody_vectors = self.prosody.encode(latents)
        content, content_vectors = self.content.encode(latents)
        detail, _ = self.detail.encode(latents - (prosody_vectors + content_vectors))
        return torch.cat([prosody, content, detail], dim=1)

    def speaker(self, wav: torch.Tensor) -> torch.Tensor:
        """Compute speaker vectors (B, dimension) of a waveform (B, T), T a whole number of hops."""
        return self.timbre_encoder(self.encoder(wav[:, None]).transpose(1, 2)).mean(1)

    def decode(self, codes: torch.Tensor, speaker: torch.Tensor) -> torch.Tensor:
        """Decode codes (B, 6, T') and speaker vectors (B, dimension) to a waveform (B, T' · HOP)."""
        vectors = [book.vectors(code) for book, code in zip(self.books, codes.unbind(1), strict=True)]
        latents = torch.stack(vectors).sum(0)
        scale, shift = self.timbre_linear(speaker)[:, None].chunk(2, dim=-1)
        styled = F.layer_norm(latents, latents.shape[-1:]) * scale + shift
        return self.decoder(styled.transpose(1, 2))[:, 0]


class Books(nn.ModuleList):
    """Residual codebooks: each one codes the residual of those before it."""

    def __init__(self, count: int, dimension: int, entries: int, size: int) -> None:
        super().__init__(FactorizedBook(dimension, entries, size) for _ in range(count))

    def __iter__(self) -> Iterator["FactorizedBook"]:
        return super().__iter__()  # type: ignore[return-value]

    def encode(self, latents: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Quantize latents (B, T', dimension) to codes (B, K, T'); also return the sum of their vectors."""
        residual, codes = latents, []
        for book in self:
            codes.append(book.nearest(residual))
            residual = residual - book.vectors(codes[-1])
        return torch.stack(codes, dim=1), latents - residual


class FactorizedBook(nn.Module):
    """A codebook of few dimensions, searched by direction alone.

    Args:
        dimension: Dimension of the latents that are projected to the codebook and back.
        entries: Number of codes.
        size: Dimension of the codebook.
    """

    def __init__(self, dimension: int, entries: int, size: int) -> None:
        super().__init__()
        self.in_proj = nn.Linear(dimension, size)
        self.out_proj = nn.Linear(size, dimension)
        self.codebook = nn.Parameter(torch.zeros(entries, size))

    def nearest(self, latents: torch.Tensor) -> torch.Tensor:
        """Find the nearest codes (B, T') of latents (B, T', dimension)."""
        return nearest(F.normalize(self.in_proj(latents), dim=-1), F.normalize(self.codebook))

    def vectors(self, codes: torch.Tensor) -> torch.Tensor:
        """Look up codes (B, T') and project them to latents (B, T', dimension)."""
        return self.out_proj(F.embedding(codes, self.codebook))


def encoder(filters: int, dimension: int) -> nn.Sequential:
    """Build the encoder, (B, 1, T) to (B, dimension, T / HOP)."""
    layers: list[nn.Module] = [nn.Conv1d(1, filters, 7, padding=3)]
    for stride in STRIDES:
        down = nn.Conv1d(filters, 2 * filters, 2 * stride, stride, padding=(stride + 1) // 2)
        layers.append(nn.Sequential(*_residuals(filters), AntiAliasedSnake(filters), down))
        filters *= 2
    return nn.Sequential(*layers, AntiAliasedSnake(filters), nn.Conv1d(filters, dimension, 3, padding=1))


def decoder(dimension: int, width: int) -> nn.Sequential:
    """Build the decoder, (B, dimension, T') to (B, 1, T' · HOP)."""
    layers: list[nn.Module] = [nn.Conv1d(dimension, width, 7, padding=3)]
    for stride in reversed(STRIDES):
        up = nn.ConvTranspose1d(
            width, width // 2, 2 * stride, stride, padding=(stride + 1) // 2, output_padding=stride % 2
        )
        layers.append(nn.Sequential(AntiAliasedSnake(width), up, *_residuals(width // 2)))
        width //= 2
    return nn.Sequential(*layers, AntiAliasedSnake(width), nn.Conv1d(width, 1, 7, padding=3), nn.Tanh())


def _residuals(channels: int) -> list[DilatedUnit]:
    return dilated_units(channels, lambda: AntiAliasedSnake(channels))


class TimbreEncoder(nn.Module):
    """Transformer over the frames.

    Upstream counts positions along the batch: all frames of the first utterance have position 0, those of
    the second position 1. Here all have position 0, as when upstream encodes utterances one by one.
    """

    def __init__(self, dimension: int, layers: int, inner: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(TimbreLayer(dimension, inner) for _ in range(layers))
        self.last_ln = nn.LayerNorm(dimension)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (B, T', dimension) to the same shape."""
        position_zero = torch.arange(x.shape[-1], device=x.device) % 2  # sin 0, cos 0, sin 0, …
        x = x + position_zero
        for layer in self.layers:
            x = layer(x)
        return self.last_ln(x)


class TimbreLayer(nn.Module):
    """Pre-norm transformer layer: self-attention, then a convolution and a linear layer, with shortcuts."""

    def __init__(self, dimension: int, inner: int) -> None:
        super().__init__()
        self.ln_1 = nn.LayerNorm(dimension)
        self.self_attn = nn.MultiheadAttention(dimension, HEADS, batch_first=True)
        self.ln_2 = nn.LayerNorm(dimension)
        self.ffn_1 = nn.Conv1d(dimension, inner, 5, padding=2)
        self.ffn_2 = nn.Linear(inner, dimension)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (B, T', dimension) to the same shape."""
        normed = self.ln_1(x)
        x = x + self.self_attn(normed, normed, normed, need_weights=False)[0]
        hidden = self.ffn_1(self.ln_2(x).transpose(1, 2)).transpose(1, 2)
        return x + self.ffn_2(F.relu(hidden))


def rename(
    encoder: Mapping[str, torch.Tensor], decoder: Mapping[str, torch.Tensor]
) -> dict[str, torch.Tensor]:
    """Rename the weights of the two published state dicts to the names here, and fold weight norm in.

    Predictors that only training needs are left out, and so are constants, which are computed here.
    """
    used = {
        f"{part}.{name}": tensor
        for part, published in (("encoder", encoder), ("decoder", decoder))
        for name, tensor in published.items()
        if not name.endswith(CONSTANT) and "_predictor." not in name
    }
    return fold_weight_norm(renamed(used, RENAMED))
