"""Front ends of the probes: from the codes of all codebooks to one vector per frame."""

from collections.abc import Iterable

import numpy as np
import torch
from torch import nn

from benchmark.errors import UserError
from benchmark.models.probes.config import ProbeConfig
from benchmark.storage.feature_codes import from_codes
from benchmark.types import TokenizerSpec

PADDING = -1
"""Code beyond the end of an utterance; its embedding is zero."""
SHARED = 2
"""Rows whose sum is the embedding of a code, when codes share rows."""
SHARING_SEED = 0
FEATURES_VERSION = 2
"""Version of `FeatureFrontend`. Raise it with every change, so that probes of continuous features are
retrained."""
FLAT = 1e-6
"""Variance added to that of each continuous feature, so that a constant feature stays finite."""


class TokenFrontend(nn.Module):
    """Front end that embeds codes (B, K, T) as frames (B, T · upsampling, embedding_dim).

    One table holds the rows of all codebooks one after another, as in DASB (Mousavi et al. 2024, arXiv
    2406.14294). The K embeddings of a frame are summed, concatenated and projected, or averaged with weights
    from attention across codebooks (DASB: two linear layers with a ReLU, softmax over K). Every frame is made
    from its own codes alone.

    Args:
        spec: Tokenizer behind the codes.
        config: `embedding_dim`, `combine`, `shared_rows`, `freeze`, `min_frame_rate` are read.
        table_dim: Width of the table if it differs from `embedding_dim`: the width of codebook vectors.
    """

    offsets: torch.Tensor
    rows: torch.Tensor | None

    def __init__(self, spec: TokenizerSpec, config: ProbeConfig, table_dim: int | None = None) -> None:
        super().__init__()
        self.upsampling = config.upsampling(spec.frame_rate)
        self.sizes, self.combine = spec.codebook_sizes, config.combine
        table_dim = table_dim or config.embedding_dim
        sizes = torch.tensor(self.sizes)
        self.register_buffer("offsets", 1 + sizes.cumsum(0) - sizes, persistent=False)
        rows = row_numbers(sum(self.sizes), config.shared_rows)
        self.register_buffer("rows", rows, persistent=False)
        self.embedding = nn.Embedding(
            1 + (config.shared_rows or sum(self.sizes)), table_dim, padding_idx=0
        ).requires_grad_(not config.freeze)
        self.projection: nn.Module = nn.Identity()
        joined = table_dim * (len(self.sizes) if self.combine == "concat" else 1)
        if self.combine == "concat" or table_dim != config.embedding_dim:
            self.projection = nn.Linear(joined, config.embedding_dim, bias=False)
        self.attention: nn.Module | None = None
        if self.combine == "attention":
            self.attention = nn.Sequential(
                nn.Linear(config.embedding_dim, config.embedding_dim),
                nn.ReLU(),
                nn.Linear(config.embedding_dim, 1, bias=False),
            )
        # A sum of n unit normals has variance n; the variance of a frame should depend neither on K nor on
        # sharing.
        summed = (1 if rows is None else rows.shape[1]) * (len(self.sizes) if self.combine == "sum" else 1)
        if summed > 1:
            with torch.no_grad():
                self.embedding.weight.div_(summed**0.5)

    @torch.no_grad()
    def start_from(self, vectors: torch.Tensor) -> None:
        """Copy the tokenizer's codebook vectors (K, V, D) into the table.

        Each codebook is centred. All are divided by one number, so that frames start with the variance of
        random ones while the proportions within a residual codebook are kept.
        """
        books = [book[:size].float() for book, size in zip(vectors.cpu(), self.sizes, strict=True)]
        centred = [book - book.mean(0) for book in books]
        variances = torch.stack([book.square().mean() for book in centred])
        variance = variances.sum() if self.combine == "sum" else variances.mean()
        table = torch.cat(centred) / variance.clamp(min=1e-12).sqrt()
        self.embedding.weight[1:] = table.to(self.embedding.weight)

    def forward(self, codes: torch.Tensor) -> torch.Tensor:
        """Embed codes (B, K, T), which are `PADDING` beyond each length; `codes` itself is not modified."""
        places = torch.where(codes == PADDING, 0, codes + self.offsets[:, None]).transpose(1, 2)
        embedded = self.embedding(places if self.rows is None else self.rows[places])  # (B, T, K, [rows,] D)
        if self.rows is not None:
            embedded = embedded.sum(3)
        if self.combine == "concat":
            frames = self.projection(embedded.flatten(2))
        elif self.attention is None:
            frames = self.projection(embedded.sum(2))
        else:
            embedded = self.projection(embedded)
            frames = (self.attention(embedded).softmax(2) * embedded).sum(2)
        return frames.repeat_interleave(self.upsampling, dim=1)


class FeatureFrontend(nn.Module):
    """Front end of the topline, for codes (B, F, T) that hold float16 features instead of indices.

    Features standardised by the training set, LayerNorm and a linear layer take the place of the embeddings.
    In training, the share `substitution` of the normalised features is dropped, in place of the token
    substitution of `TokenFrontend`.
    """

    mean: torch.Tensor
    scale: torch.Tensor

    def __init__(self, spec: TokenizerSpec, config: ProbeConfig) -> None:
        super().__init__()
        if config.init == "codebook":
            raise UserError(
                f"tokenizer {spec.name!r} has features, no codebook; use init=random in probe {config.name!r}"
            )
        self.upsampling = config.upsampling(spec.frame_rate)
        self.register_buffer("mean", torch.zeros(spec.num_codebooks))
        self.register_buffer("scale", torch.ones(spec.num_codebooks))
        self.norm = nn.LayerNorm(spec.num_codebooks)
        self.dropout = nn.Dropout(config.substitution)
        self.projection = nn.Linear(spec.num_codebooks, config.embedding_dim)

    def forward(self, codes: torch.Tensor) -> torch.Tensor:
        """Map codes (B, F, T) to frames (B, T · upsampling, embedding_dim), undefined in the padding."""
        features = features_of(codes).transpose(1, 2)
        frames: torch.Tensor = self.projection(self.dropout(self.norm((features - self.mean) * self.scale)))
        return frames.repeat_interleave(self.upsampling, dim=1)

    def standardise(self, utterances: Iterable[np.ndarray]) -> None:
        """Estimate mean and variance of each dimension from codes (F, T), streamed one utterance at a time.

        Dimensions differ by orders of magnitude, both in MFCCs and in the outliers of transformers. A norm
        over the frame alone would leave the probe with the largest of them.
        """
        frames, total, squares = 0, torch.zeros(len(self.mean)).double(), torch.zeros(len(self.mean)).double()
        for codes in utterances:
            features = features_of(torch.from_numpy(np.asarray(codes, dtype=np.int64))[None])[0].double()
            frames += features.shape[1]
            total += features.sum(1)
            squares += features.square().sum(1)
        mean = total / max(1, frames)
        variance = (squares / max(1, frames) - mean.square()).clamp(min=0)
        self.mean.copy_(mean)
        self.scale.copy_((variance + FLAT).rsqrt())


def features_of(codes: torch.Tensor) -> torch.Tensor:
    """Decode float16 bit patterns 0 … 65535 into float32 features; `PADDING` becomes zero."""
    return from_codes(torch.where(codes == PADDING, 0, codes))


def make_frontend(
    spec: TokenizerSpec, config: ProbeConfig, table_dim: int | None
) -> TokenFrontend | FeatureFrontend:
    """Build the front end that the tokenizer's codes need."""
    if spec.continuous:
        return FeatureFrontend(spec, config)
    return TokenFrontend(spec, config, table_dim)


def row_numbers(codes: int, shared_rows: int | None) -> torch.Tensor | None:
    """Return the table rows that make up each code's embedding, or None for one row per code.

    This rule keeps the number of parameters the same for every tokenizer. While there are enough rows, each
    code has its own. With more codes than rows, the embedding of a code is the sum of `SHARED` rows drawn
    with a fixed seed (Svenstrup et al. 2017, Hash Embeddings, without the importance weights). Two codes that
    share one row still differ in the other.

    Args:
        codes: Number of codes of all codebooks together.
        shared_rows: Rows of the table, without row 0, which is for padding.

    Returns:
        (1 + codes, 1 or SHARED) int64, or None.
    """
    if shared_rows is None:
        return None
    if codes <= shared_rows:
        return torch.arange(1 + codes)[:, None]
    drawn = np.random.default_rng(SHARING_SEED).integers(1, 1 + shared_rows, (1 + codes, SHARED))
    drawn[0] = 0
    return torch.from_numpy(drawn)
