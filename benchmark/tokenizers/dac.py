"""Descript Audio Codec (Kumar et al. 2023, arXiv 2306.06546), run by transformers."""

from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import Any, ClassVar, Literal

import torch

from benchmark.errors import UserError, unknown
from benchmark.tokenizers.pretrained import Pretrained
from benchmark.types import TokenizerSpec

HOP = 320
BOOKS = {16_000: 12, 24_000: 32}
"""Number of codebooks of the published models, by sample rate in Hz."""


@dataclass(kw_only=True)
class Dac(Pretrained):
    """Residual codes of 10 bits, at 50 Hz (16 kHz model) or 75 Hz (24 kHz model).

    Speech is padded with zeros to whole frames of 320 samples, as in the original package. The feature
    extractor on the hub is not used: its 24 kHz configuration says 512, and it would pad to another number
    of frames for a third of all lengths.

    Attributes:
        sample_rate: Sample rate of the checkpoint in Hz: 16000 or 24000.
        num_codebooks: Number of codebooks used; the first ones are a complete code by themselves.
    """

    uid: ClassVar[str] = "benchmark.tokenizers.dac.Dac"

    sample_rate: Literal[16_000, 24_000]
    num_codebooks: int

    def __post_init__(self) -> None:
        if self.sample_rate not in BOOKS:
            raise unknown(f"sample_rate of {self.name}", self.sample_rate, BOOKS)
        if not 1 <= self.num_codebooks <= BOOKS[self.sample_rate]:
            raise UserError(
                f"{self.name}: num_codebooks must be from 1 to {BOOKS[self.sample_rate]}, "
                f"not {self.num_codebooks}"
            )

    @property
    def spec(self) -> TokenizerSpec:
        """The specification. Convolutions look ahead, so padding would change the last frames."""
        return self.make_spec(
            kind="acoustic",
            sample_rate=self.sample_rate,
            frame_rate=self.sample_rate / HOP,
            codebook_sizes=(1024,) * self.num_codebooks,
            causal=False,
            can_decode=True,
            supports_padding=False,
        )

    @cached_property
    def _model(self) -> Any:
        from transformers import DacModel

        model = self.load_model(DacModel)
        config = model.config
        self.check(
            sampling_rate=(config.sampling_rate, self.sample_rate),
            hop=(prod(config.downsampling_ratios), HOP),
            codebook_size=(config.codebook_size, self.spec.codebook_size),
        )
        return model

    def codebook_vectors(self) -> torch.Tensor:
        """Return the vectors of the factorised codebooks, (K, 1024, 8)."""
        books = self._model.quantizer.quantizers[: self.num_codebooks]
        return torch.stack([book.codebook.weight for book in books]).cpu()

    def _encode(self, wav: torch.Tensor, lengths: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        codes = self._model.encode(wav[:, None], n_quantizers=self.num_codebooks).audio_codes
        return codes, (lengths + HOP - 1) // HOP

    def _decode(self, codes: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:  # noqa: ARG002
        return self._model.decode(audio_codes=codes).audio_values  # eight samples short, like the original's
