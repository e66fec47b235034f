"""BigCodec (Xin et al. 2024, arXiv 2409.05377): the official weights, run by the bigcodec package."""

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar

import torch

from benchmark.storage.weights import load_into, load_tensors
from benchmark.tokenizers.pretrained import Pretrained
from benchmark.types import SAMPLE_RATE, TokenizerSpec

if TYPE_CHECKING:
    from bigcodec import CodecDecoder, CodecEncoder

HOP = 200
FILE = "bigcodec.pt"
ENCODER, DECODER = "CodecEnc", "generator"
"""Keys of the two state dicts in the official checkpoint."""
CODEBOOK = "quantizer.layers.0._codebook.weight"


@dataclass(kw_only=True)
class BigCodec(Pretrained):
    """One codebook of 13 bits at 80 Hz.

    As in the official inference code, 1 to 200 zeros are always appended. Speech that already fills whole
    frames is therefore padded by one more frame.
    """

    uid: ClassVar[str] = "benchmark.tokenizers.bigcodec.BigCodec"

    library: ClassVar[str | None] = "bigcodec"
    extra: ClassVar[str | None] = "zoo"

    @property
    def spec(self) -> TokenizerSpec:
        """The specification. The LSTM is causal, but the convolutions are not."""
        return self.make_spec(
            kind="acoustic",
            sample_rate=SAMPLE_RATE,
            frame_rate=SAMPLE_RATE / HOP,
            codebook_sizes=(8192,),
            causal=False,
            can_decode=True,
            supports_padding=False,
        )

    @cached_property
    def _model(self) -> "tuple[CodecEncoder, CodecDecoder]":
        weights = self.file(FILE)
        states = load_tensors(weights)
        with self.reading(weights, "BigCodec checkpoint"):
            first, codebook = states[ENCODER]["block.0.bias"], states[DECODER][CODEBOOK]
            latent, width = states[DECODER]["model.0.weight_v"].shape[1], len(states[DECODER]["model.0.bias"])
        self.check(codebook_size=(len(codebook), self.spec.codebook_size))
        from bigcodec import CodecDecoder, CodecEncoder

        encoder = CodecEncoder(ngf=len(first), out_channels=latent)
        decoder = CodecDecoder(
            in_channels=latent,
            upsample_initial_channel=width,
            vq_dim=latent,
            codebook_size=len(codebook),
            codebook_dim=codebook.shape[1],
        )
        self.check(hop=(int(encoder.hop_length), HOP))
        load_into(encoder, states[ENCODER], weights)
        load_into(decoder, states[DECODER], weights)
        return encoder.to(self.device), decoder.to(self.device)

    def codebook_vectors(self) -> torch.Tensor:
        """Return the vectors of the factorised codebook, (1, 8192, 8)."""
        return torch.stack(self._model[1].get_emb()).cpu()

    def _encode(self, wav: torch.Tensor, lengths: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        encoder, decoder = self._model
        samples = int(lengths[0])
        padded = torch.nn.functional.pad(wav[:, :samples], (0, HOP - samples % HOP))
        _, codes, _ = decoder(encoder(padded[:, None]), vq=True)  # (1, B, T')
        return codes.transpose(0, 1), lengths // HOP + 1

    def _decode(self, codes: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:  # noqa: ARG002
        _, decoder = self._model
        return decoder(decoder.vq2emb(codes.transpose(1, 2)).transpose(1, 2), vq=False)[:, 0]
