"""SemantiCodec (Liu et al. 2024, arXiv 2405.00233): semantic and acoustic codes, decoded by diffusion."""

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
import torch
from torch.nn.utils.rnn import pad_sequence

from benchmark.errors import UserError
from benchmark.storage.weights import load_into, load_tensors
from benchmark.tokenizers.base import NOT_IDENTITY
from benchmark.tokenizers.networks import semanticodec, semanticodec_decoder
from benchmark.tokenizers.networks.latent_diffusion import GUIDANCE, STEPS
from benchmark.tokenizers.networks.semanticodec import GROUP, SemantiCodecEncoder, spectrograms
from benchmark.tokenizers.networks.semanticodec_decoder import HOP, SemantiCodecDecoder
from benchmark.tokenizers.pretrained import Pretrained, stack_books
from benchmark.types import SAMPLE_RATE, TokenizerSpec

CODEBOOK_SIZES = (32_768, 8192)
"""Entries of the semantic codebook, k-means centroids, and of the acoustic one."""
SEED = 0


@dataclass(kw_only=True)
class SemantiCodec(Pretrained):
    """Two codes of 15 and 13 bits at 25 Hz, which upstream calls 50 tokens a second.

    Four successive frames stand for the same 160 ms, from low to high frequencies, so codes come in fours.
    Upstream's count of codes goes through floating-point seconds, and gives one code of the following
    silence more for some lengths, and four for whole multiples of 160 ms; here those are left out.

    As upstream does, speech is encoded in windows of 10.24 s, without overlap, and decoded in windows of
    10.24 s that overlap by 0.64 s. Each window attends to the whole of itself.

    The decoder draws a sample by latent diffusion. Its seed is fixed, so that decoding is a function of the
    codes. It runs the network twice per step, to guide the sample.

    Attributes:
        files: The encoder, the semantic codebook and the decoder.
        steps: Steps of the diffusion's sampling, a divisor of 1000.
    """

    uid: ClassVar[str] = "benchmark.tokenizers.semanticodec.SemantiCodec"

    steps: int = field(default=50, metadata=NOT_IDENTITY)  # `decoder_identity` has it

    def __post_init__(self) -> None:
        self.require_files("the encoder", "the codebook", "the decoder")
        if self.steps < 1 or STEPS % self.steps:
            raise UserError(f"{self.name}: steps must be a divisor of {STEPS}, not {self.steps}")

    @property
    def spec(self) -> TokenizerSpec:
        """The specification. Utterances are encoded one by one, so batches may be of unequal lengths."""
        return self.make_spec(
            kind="acoustic-semantic",
            sample_rate=SAMPLE_RATE,
            frame_rate=SAMPLE_RATE / HOP,
            codebook_sizes=CODEBOOK_SIZES,
            causal=False,
            can_decode=True,
            supports_padding=True,
            frame_slack=GROUP - 1,
        )

    @cached_property
    def _encoder(self) -> SemantiCodecEncoder:
        path, centroids = self.file(self.files[0]), self.file(self.files[1])
        with self.reading(centroids, "array of centroids"):
            book = torch.from_numpy(np.load(centroids, allow_pickle=False))
        with self.reading(path, "encoder of SemantiCodec"):
            state = semanticodec.rename(load_tensors(path), book)
            encoder = SemantiCodecEncoder.of_shapes(state)
        self.check(codebook_sizes=(tuple(map(len, encoder.books)), CODEBOOK_SIZES))
        load_into(encoder, state, path)
        return encoder.to(self.device)

    @cached_property
    def _decoder(self) -> SemantiCodecDecoder:
        path = self.file(self.files[2])
        with self.reading(path, "decoder of SemantiCodec"):
            state = semanticodec_decoder.rename(load_tensors(path))
            decoder = SemantiCodecDecoder.of_shapes(state)
        load_into(decoder, state, path)
        return decoder.to(self.device)

    def decoder_identity(self) -> dict[str, Any]:
        """See `Tokenizer.decoder_identity`."""
        return {"steps": self.steps, "guidance": GUIDANCE, "seed": SEED}

    def codebook_vectors(self) -> torch.Tensor:
        """Return the codebooks, (2, 32768, 1536); the smaller is completed by its mean."""
        return stack_books(list(self._encoder.books))

    def _encode(self, wav: torch.Tensor, lengths: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        frames = GROUP * -(-lengths // (GROUP * HOP))
        rows = []
        for row, samples, count in zip(wav, lengths.tolist(), frames.tolist(), strict=True):
            codes = [self._encoder.encode(mel) for mel in spectrograms(row[:samples])]
            rows.append(torch.cat(codes, 1)[:, :count].T)
        return pad_sequence(rows, batch_first=True).transpose(1, 2), frames

    def _decode(self, codes: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        rows = [
            self._decoder(self._encoder.vectors(row[:, :frames]), self.steps, SEED)
            for row, frames in zip(codes, lengths.tolist(), strict=True)
        ]
        return pad_sequence(rows, batch_first=True)
