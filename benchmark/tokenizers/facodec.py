"""FACodec, the codec of NaturalSpeech 3 (Ju et al. 2024, arXiv 2403.03100), with the network written here."""

from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import torch
from torch.nn import functional as F

from benchmark.storage.weights import load_into, load_tensors
from benchmark.tokenizers.networks.facodec import BOOKS, HOP, FacodecNetwork, rename
from benchmark.tokenizers.pretrained import Pretrained
from benchmark.types import SAMPLE_RATE, TokenizerSpec

ENCODER, DECODER = "ns3_facodec_encoder.bin", "ns3_facodec_decoder.bin"
CODEBOOK_SIZE = 1024
SPEAKER_NUMBERS = 256


@dataclass(kw_only=True)
class Facodec(Pretrained):
    """Codes of prosody (1), content (2) and acoustic detail (3) at 80 Hz, and a speaker vector.

    Prosody and content are trained to be independent of the speaker, so the vector of another recording
    converts the voice. The detail codes are only partly independent. (The authors have a second decoder for
    conversion, without detail codes.) Speech is padded with zeros to whole frames, where upstream drops an
    incomplete last frame.
    """

    uid: ClassVar[str] = "benchmark.tokenizers.facodec.Facodec"

    @property
    def spec(self) -> TokenizerSpec:
        """The specification. Convolutions look ahead, so padding would change the last frames."""
        return self.make_spec(
            kind="acoustic-disentangled",
            sample_rate=SAMPLE_RATE,
            frame_rate=SAMPLE_RATE / HOP,
            codebook_sizes=(CODEBOOK_SIZE,) * sum(BOOKS),
            causal=False,
            can_decode=True,
            supports_padding=False,
            decode_needs_prompt=True,
            side_info=f"the speaker as {SPEAKER_NUMBERS} float32 numbers, the mean over a recording",
            side_info_bits=SPEAKER_NUMBERS * 32,
        )

    @cached_property
    def _model(self) -> FacodecNetwork:
        with self.reading(self.checkpoint, "FACodec"):
            state = rename(load_tensors(self.file(ENCODER)), load_tensors(self.file(DECODER)))
            model = FacodecNetwork.of_shapes(state)
        self.check(codebook_size=(len(model.books[0].codebook), CODEBOOK_SIZE))
        load_into(model, state, self.folder)
        return model.to(self.device)

    def codebook_vectors(self) -> torch.Tensor:
        """Return the codebooks projected to the decoder's latents, where they add up, (6, 1024, 256)."""
        with torch.no_grad():
            return torch.stack([book.out_proj(book.codebook) for book in self._model.books]).cpu()

    def _encode(self, wav: torch.Tensor, lengths: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return self._model.encode(wav), (lengths + HOP - 1) // HOP

    def _side_info(self, wav: torch.Tensor) -> torch.Tensor:
        """Return the speaker vector of a recording, (256,)."""
        return self._model.speaker(F.pad(wav, (0, -wav.shape[-1] % HOP)))[0]

    def _decode_with(
        self,
        codes: torch.Tensor,
        lengths: torch.Tensor,  # noqa: ARG002
        side_info: list[torch.Tensor],
    ) -> torch.Tensor:
        return self._model.decode(codes, torch.stack(side_info))
