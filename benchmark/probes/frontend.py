"""From codes to frames: an embedding per codebook, one vector per frame, one rate for all."""

import torch
from torch import nn

from benchmark.probes.config import ProbeConfig
from benchmark.types import TokenizerSpec

PADDING = -1
"""Code beyond the end of an utterance; its embedding is zero."""


class TokenFrontend(nn.Module):
    """Embeds codes (B, K, T) into frames (B, T · upsampling, embedding_dim).

    One table holds the rows of all codebooks one after another, as in DASB (Mousavi et al. 2024,
    arXiv 2406.14294). The K embeddings of a frame are summed, or averaged with weights from
    attention across codebooks (DASB: two linear layers with a ReLU, softmax over K).
    """

    offsets: torch.Tensor

    def __init__(self, spec: TokenizerSpec, config: ProbeConfig) -> None:
        super().__init__()
        self.upsampling = config.upsampling(spec.frame_rate)
        sizes = torch.tensor(spec.codebook_sizes)
        self.register_buffer("offsets", 1 + sizes.cumsum(0) - sizes, persistent=False)
        self.embedding = nn.Embedding(1 + int(sizes.sum()), config.embedding_dim, padding_idx=0)
        self.attention: nn.Module | None = None
        if config.combine == "attention":
            self.attention = nn.Sequential(
                nn.Linear(config.embedding_dim, config.embedding_dim),
                nn.ReLU(),
                nn.Linear(config.embedding_dim, 1, bias=False),
            )
        else:
            # A sum of K unit normals has variance K; the frame should not depend on K.
            with torch.no_grad():
                self.embedding.weight.div_(spec.num_codebooks**0.5)

    def forward(self, codes: torch.Tensor) -> torch.Tensor:
        """Embed codes (B, K, T), `PADDING` beyond each length; `codes` stay as they are."""
        rows = torch.where(codes == PADDING, 0, codes + self.offsets[:, None])
        embedded = self.embedding(rows.transpose(1, 2))  # (B, T, K, D)
        if self.attention is None:
            frames = embedded.sum(2)
        else:
            frames = (self.attention(embedded).softmax(2) * embedded).sum(2)
        return frames.repeat_interleave(self.upsampling, dim=1)
