"""WavTokenizer (Ji et al. 2024, arXiv 2408.16532): one code per frame, at 75 or 40 Hz."""

from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, Literal, get_args

import torch

from benchmark.errors import unknown
from benchmark.storage.weights import load_into, load_tensors
from benchmark.tokenizers.networks.wavtokenizer import WavTokenizerNetwork, rename
from benchmark.tokenizers.pretrained import Pretrained
from benchmark.types import TokenizerSpec

SAMPLE_RATE = 24_000
CODEBOOK_SIZE = 4096
FrameRate = Literal[75, 40]


@dataclass(kw_only=True)
class WavTokenizer(Pretrained):
    """A single codebook of 4096 entries and a decoder that attends to the whole utterance.

    `files` names the checkpoint, a training state of which less than a fifth is loaded.

    Attributes:
        frame_rate: Frames per second, fixed by the checkpoint: 75 or 40.
    """

    uid: ClassVar[str] = "benchmark.tokenizers.wavtokenizer.WavTokenizer"

    frame_rate: FrameRate

    def __post_init__(self) -> None:
        if self.frame_rate not in get_args(FrameRate):
            raise unknown(f"frame_rate of {self.name}", self.frame_rate, get_args(FrameRate))
        self.require_files("one checkpoint")

    @property
    def spec(self) -> TokenizerSpec:
        """The specification. Convolutions look ahead, and mirror the end of the speech."""
        return self.make_spec(
            kind="acoustic",
            sample_rate=SAMPLE_RATE,
            frame_rate=self.frame_rate,
            codebook_sizes=(CODEBOOK_SIZE,),
            causal=False,
            can_decode=True,
            supports_padding=False,
        )

    @cached_property
    def _model(self) -> WavTokenizerNetwork:
        path = self.file(self.files[0])
        with self.reading(path, "WavTokenizer checkpoint"):
            state = rename(load_tensors(path)["state_dict"])
            model = WavTokenizerNetwork.of_shapes(state)
        self.check(
            hop=(model.hop, self.spec.hop_length),
            codebook_size=(len(model.codebook), CODEBOOK_SIZE),
        )
        load_into(model, state, path)
        return model.to(self.device)

    def codebook_vectors(self) -> torch.Tensor:
        """Return the codebook, (1, 4096, 512)."""
        return self._model.codebook[None].cpu()

    def _encode(self, wav: torch.Tensor, lengths: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        # Zeros up to a whole frame are cut, because the convolutions would mirror them; upstream adds none.
        codes = self._model.encode(wav[:, : int(lengths[0])])
        return codes[:, None], torch.full_like(lengths, codes.shape[1])

    def _decode(self, codes: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:  # noqa: ARG002
        return self._model.decode(codes[:, 0])
