"""EnCodec, the 24 kHz model (Défossez et al. 2022, arXiv 2210.13438), run by transformers."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import torch

from benchmark.errors import unknown
from benchmark.tokenizers.pretrained import Pretrained
from benchmark.types import TokenizerSpec

BANDWIDTHS = {1.5: 2, 3.0: 4, 6.0: 8, 12.0: 16, 24.0: 32}
"""Number of codebooks by bandwidth in kbit/s."""


@dataclass(kw_only=True)
class Encodec(Pretrained):
    """Residual codes of 10 bits at 75 Hz.

    An incomplete last frame is filled with zeros. The original package reflects the signal there, so that
    frame may differ where the length is not a whole number of hops.

    Attributes:
        bandwidth: Bitrate in kbit/s: 1.5, 3, 6, 12 or 24, for 2 to 32 codebooks.
    """

    uid: ClassVar[str] = "benchmark.tokenizers.encodec.Encodec"

    bandwidth: float = 6.0

    def __post_init__(self) -> None:
        if self.bandwidth not in BANDWIDTHS:
            raise unknown(f"bandwidth of {self.name} (kbit/s)", self.bandwidth, BANDWIDTHS)

    @property
    def spec(self) -> TokenizerSpec:
        """The specification. Convolutions and LSTM are causal, so padding cannot change the codes."""
        return self.make_spec(
            kind="acoustic",
            sample_rate=24_000,
            frame_rate=75.0,
            codebook_sizes=(1024,) * BANDWIDTHS[self.bandwidth],
            causal=True,
            can_decode=True,
            supports_padding=True,
        )

    @cached_property
    def _model(self) -> Any:
        from transformers import EncodecModel

        model = self.load_model(EncodecModel)
        self.check(
            sampling_rate=(model.config.sampling_rate, self.spec.sample_rate),
            hop_length=(model.config.hop_length, self.spec.hop_length),
            codebook_size=(model.config.codebook_size, self.spec.codebook_size),
        )
        return model

    def codebook_vectors(self) -> torch.Tensor:
        """Return the residual codebooks, (K, 1024, 128)."""
        layers = self._model.quantizer.layers[: self.spec.num_codebooks]
        return torch.stack([layer.codebook.embed for layer in layers]).cpu()

    def _encode(self, wav: torch.Tensor, lengths: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        hop = self.spec.hop_length
        codes = self._model.encode(wav[:, None], bandwidth=self.bandwidth).audio_codes[0]
        return codes, (lengths + hop - 1) // hop

    def _decode(self, codes: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:  # noqa: ARG002
        return self._model.decode(codes[None], [None]).audio_values[:, 0]
