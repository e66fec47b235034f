"""X-Codec (Ye et al. 2024, arXiv 2408.17175), run by transformers."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import torch

from benchmark.errors import unknown
from benchmark.tokenizers.base import true_length
from benchmark.tokenizers.pretrained import Pretrained
from benchmark.types import SAMPLE_RATE, TokenizerSpec

HOP = 320
BANDWIDTHS = {0.5: 1, 1.0: 2, 1.5: 3, 2.0: 4, 4.0: 8}
"""Number of codebooks by bandwidth in kbit/s."""


@dataclass(kw_only=True)
class Xcodec(Pretrained):
    """Residual codes of 10 bits at 50 Hz over acoustic and self-supervised features.

    Attributes:
        bandwidth: Bitrate in kbit/s: 0.5, 1, 1.5, 2 or 4, for 1 to 8 codebooks.
    """

    uid: ClassVar[str] = "benchmark.tokenizers.xcodec.Xcodec"

    bandwidth: float = 4.0

    def __post_init__(self) -> None:
        if self.bandwidth not in BANDWIDTHS:
            raise unknown(f"bandwidth of {self.name} (kbit/s)", self.bandwidth, BANDWIDTHS)

    @property
    def spec(self) -> TokenizerSpec:
        """The specification. HuBERT's group norm spans the utterance, so padding would change every frame."""
        return self.make_spec(
            kind="acoustic-semantic",
            sample_rate=SAMPLE_RATE,
            frame_rate=SAMPLE_RATE / HOP,
            codebook_sizes=(1024,) * BANDWIDTHS[self.bandwidth],
            causal=False,
            can_decode=True,
            supports_padding=False,
        )

    @cached_property
    def _model(self) -> Any:
        from transformers import XcodecModel

        model = self.load_model(XcodecModel)
        config = model.config
        self.check(
            sample_rate=(config.sample_rate, SAMPLE_RATE),
            hop_length=(config.hop_length, HOP),
            codebook_size=(config.codebook_size, self.spec.codebook_size),
        )
        return model

    def codebook_vectors(self) -> torch.Tensor:
        """Return the residual codebooks, (K, 1024, D)."""
        books = self._model.quantizer.quantizers[: self.spec.num_codebooks]
        return torch.stack([book.codebook.embed for book in books]).cpu()

    def _encode(self, wav: torch.Tensor, lengths: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        speech = true_length(wav, lengths, at_least=2 * HOP)
        codes = self._model.encode(speech[:, None], bandwidth=self.bandwidth).audio_codes
        frames = torch.full_like(lengths, codes.shape[-1])
        return codes, torch.minimum(frames, (lengths + HOP - 1) // HOP)

    def _decode(self, codes: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:  # noqa: ARG002
        return self._model.decode(codes).audio_values[:, 0]
