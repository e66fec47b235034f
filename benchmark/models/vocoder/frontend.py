"""Frontend of the vocoder: from codes and a prompt to the hidden sequence that the generator reads."""

from collections.abc import Sequence

import torch
from torch import nn

from benchmark.models.vocoder.attention import frame_mask
from benchmark.models.vocoder.auxiliary import AuxiliaryBranch
from benchmark.models.vocoder.config import AuxiliaryConfig, FrontendConfig
from benchmark.models.vocoder.conformer import ConformerEncoder
from benchmark.models.vocoder.mel import N_MELS


class TokenVectors(nn.Module):
    """One vector per code, concatenated over codebooks: frozen vectors of the tokenizer, or learned ones."""

    vectors: torch.Tensor
    centre: torch.Tensor
    scale: torch.Tensor

    def __init__(
        self, codebook_sizes: Sequence[int], table_dim: int, codebook_vectors: torch.Tensor | None
    ) -> None:
        """Take the tokenizer's vectors, or start learned ones at random.

        Args:
            codebook_sizes: Entries of each codebook.
            table_dim: Width per codebook of learned vectors.
            codebook_vectors: (K, V, D), or None to learn vectors. They are centred per codebook and all
                scaled by one number, which keeps the proportions between residual codebooks.
        """
        super().__init__()
        centre, scale = torch.zeros(len(codebook_sizes), 1, table_dim), torch.ones(())
        if codebook_vectors is None:
            table = torch.randn(len(codebook_sizes), max(codebook_sizes), table_dim)
            self.vectors = nn.Parameter(table)
        else:
            if codebook_vectors.shape[0] != len(codebook_sizes):
                raise ValueError(f"{len(codebook_sizes)} codebooks, vectors {tuple(codebook_vectors.shape)}")
            centre = codebook_vectors.float().mean(dim=1, keepdim=True)
            centred = codebook_vectors.float() - centre
            scale = centred.std()
            # The vectors belong to the tokenizer, so the weights of the vocoder do not include them.
            self.register_buffer("vectors", centred / scale, persistent=False)
        self.register_buffer("centre", centre.flatten(), persistent=False)
        self.register_buffer("scale", scale, persistent=False)
        self.dim = self.vectors.shape[0] * self.vectors.shape[2]

    def forward(self, codes: torch.Tensor) -> torch.Tensor:
        """Map (B, K, T) codes to (B, T, K * D)."""
        books = torch.arange(codes.shape[1], device=codes.device)[:, None]
        return self.vectors[books, codes].transpose(1, 2).flatten(2)


class Frontend(nn.Module):
    """Token vectors, two Conformer encoders with a linear layer between them, and a mel head.

    CTX-vec2wav also predicts voicing, pitch and energy between the encoders and adds them back; alpha and
    vec2wav 2.0 do not.
    """

    def __init__(
        self, config: FrontendConfig, tokens: TokenVectors, auxiliary: AuxiliaryConfig | None = None
    ) -> None:
        super().__init__()
        self.tokens = tokens
        self.embed = nn.Sequential(
            nn.Linear(tokens.dim, config.dim), nn.LayerNorm(config.dim), nn.Dropout(config.dropout)
        )
        self.encoder1 = ConformerEncoder(config, config.blocks[0])
        self.between = nn.Linear(config.dim, config.dim)
        self.auxiliary = AuxiliaryBranch(auxiliary, config.dim) if auxiliary else None
        self.encoder2 = ConformerEncoder(config, config.blocks[1])
        self.mel_head = nn.Linear(config.dim, N_MELS)

    def forward(
        self,
        codes: torch.Tensor,
        lengths: torch.Tensor,
        prompt: torch.Tensor,
        prompt_mask: torch.Tensor,
        auxiliary: torch.Tensor | None = None,
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor | None]:
        """Encode codes and prompt.

        Args:
            codes: (B, K, T) at the model's frame rate.
            lengths: (B,) frames.
            prompt: (B, S, dim), prompt features after the prenet.
            prompt_mask: (B, S) bool.
            auxiliary: (B, T, 3), the true normalised voicing, pitch and energy for the second encoder
                (teacher forcing); None to use the predicted ones.

        Returns:
            hidden: (B, T, dim), zero beyond `lengths`.
            mel: (B, T, N_MELS), the normalised log-mel that the frontend predicts.
            auxiliary: (B, T, 3) that the frontend predicts, or None without that branch.
        """
        mask = frame_mask(lengths, codes.shape[-1])
        hidden = self.encoder1(self.embed(self.tokens(codes)), mask, prompt, prompt_mask)
        predicted, between = None, self.between(hidden)
        if self.auxiliary is not None:
            predicted = self.auxiliary.predict(hidden)
            between = between + self.auxiliary.embed(predicted if auxiliary is None else auxiliary, mask)
        hidden = self.encoder2(between, mask, prompt, prompt_mask) * mask[..., None]
        return hidden, self.mel_head(hidden), predicted
