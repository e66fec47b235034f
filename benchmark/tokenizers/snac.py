"""SNAC (Siuzdak et al. 2024, arXiv 2410.14411): residual codes at several time scales, by its package."""

import json
from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import TYPE_CHECKING, ClassVar

import torch

from benchmark.storage.weights import load_into, load_tensors
from benchmark.tokenizers.networks.snac import STRIDES, decode_each, draw_noise_on_cpu, to_books, to_frames
from benchmark.tokenizers.pretrained import Pretrained
from benchmark.types import TokenizerSpec

if TYPE_CHECKING:
    from snac import SNAC

SAMPLE_RATE, HOP = 24_000, 512


@dataclass(kw_only=True)
class Snac(Pretrained):
    """Three codebooks of 12 bits, at 11.7, 23.4 and 46.9 Hz.

    Codes of the slow codebooks are repeated to the fastest rate. The model works on whole groups of four
    frames. Frames of a group that hold padding alone are dropped, and the decoder repeats the last frame
    in their place.

    The decoder adds noise by design. Its seed is fixed, so that decoding is a function of the codes.
    """

    uid: ClassVar[str] = "benchmark.tokenizers.snac.Snac"

    library: ClassVar[str | None] = "snac"
    extra: ClassVar[str | None] = "zoo"

    @property
    def spec(self) -> TokenizerSpec:
        """The specification. Convolutions look ahead, so padding would change the last frames."""
        frame_rate = SAMPLE_RATE / HOP
        return self.make_spec(
            kind="acoustic",
            sample_rate=SAMPLE_RATE,
            frame_rate=frame_rate,
            codebook_sizes=(4096,) * len(STRIDES),
            codebook_frame_rates=tuple(frame_rate / stride for stride in STRIDES),
            causal=False,
            can_decode=True,
            supports_padding=False,
        )

    @cached_property
    def _model(self) -> "SNAC":
        weights = self.file("pytorch_model.bin")
        config = json.loads(self.file("config.json").read_text())
        from snac import SNAC

        self.check(
            sampling_rate=(config["sampling_rate"], SAMPLE_RATE),
            hop=(prod(config["encoder_rates"]), HOP),
            vq_strides=(tuple(config["vq_strides"]), STRIDES),
            codebook_size=(config["codebook_size"], self.spec.codebook_size),
        )
        model = SNAC(**config)
        draw_noise_on_cpu(model.decoder)
        load_into(model, load_tensors(weights), weights)
        return model.to(self.device)

    def codebook_vectors(self) -> torch.Tensor:
        """Return the vectors of the factorised codebooks, (3, 4096, 8)."""
        return torch.stack([book.codebook.weight for book in self._model.quantizer.quantizers]).cpu()

    def _encode(self, wav: torch.Tensor, lengths: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        books = self._model.encode(wav[:, None])
        frames = (lengths + HOP - 1) // HOP
        return to_frames(books)[..., : int(frames[0])], frames

    def _decode(self, codes: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:  # noqa: ARG002
        return decode_each(self._model.decode, to_books(codes, max(STRIDES)))
