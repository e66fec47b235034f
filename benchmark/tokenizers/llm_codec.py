"""LLM-Codec (Yang et al. 2024, UniAudio 1.5, arXiv 2406.10056): codes at three rates that stand for words."""

from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import torch

from benchmark.storage.weights import load_into, load_tensors
from benchmark.tokenizers.networks.llm_codec import GROUP, LlmCodecNetwork, project
from benchmark.tokenizers.networks.snac import STRIDES, decode_each, to_books, to_frames
from benchmark.tokenizers.pretrained import Pretrained, stack_books
from benchmark.types import SAMPLE_RATE, TokenizerSpec

HOP = 480
CODEBOOK_SIZES = (3248, 32_000, 32_000)
"""Words of a dictionary, and twice the vocabulary of LLaMA 2."""


@dataclass(kw_only=True)
class LlmCodec(Pretrained):
    """Three codebooks at 8.3, 16.7 and 33.3 Hz, made of word embeddings of a language model.

    Codes of the slow codebooks are repeated to the fastest rate. As upstream does, speech is completed by
    zeros to a whole number of 240 ms, and the codes of those zeros are kept: attention mixes eight frames,
    so that without them the decoder would give another end. An utterance thus has up to seven frames more
    than its duration says.

    The decoder adds noise by design. Its seed is fixed, so that decoding is a function of the codes.

    `files` names the checkpoint, a training state that also holds settings and the optimizer's state.
    """

    uid: ClassVar[str] = "benchmark.tokenizers.llm_codec.LlmCodec"

    library: ClassVar[str | None] = "snac"
    extra: ClassVar[str | None] = "zoo"

    def __post_init__(self) -> None:
        self.require_files("one checkpoint")

    @property
    def spec(self) -> TokenizerSpec:
        """The specification. Convolutions look ahead, so padding would change the last frames."""
        frame_rate = SAMPLE_RATE / HOP
        return self.make_spec(
            kind="acoustic-semantic",
            sample_rate=SAMPLE_RATE,
            frame_rate=frame_rate,
            codebook_sizes=CODEBOOK_SIZES,
            codebook_frame_rates=tuple(frame_rate / stride for stride in STRIDES),
            causal=False,
            can_decode=True,
            supports_padding=False,
            frame_slack=GROUP - 1,
        )

    @cached_property
    def _model(self) -> LlmCodecNetwork:
        path = self.file(self.files[0])
        with self.reading(path, "LLM-Codec checkpoint"):
            state = project(load_tensors(path, settings=True)["codec_model"])
            model = LlmCodecNetwork.of_shapes(state)
        self.check(
            hop=(model.hop, HOP),
            codebook_sizes=(tuple(map(len, model.books)), CODEBOOK_SIZES),
        )
        load_into(model, state, path)
        return model.to(self.device)

    def codebook_vectors(self) -> torch.Tensor:
        """Return the projected codebooks, (3, 32000, 512); the smallest is completed by its mean."""
        return stack_books(list(self._model.books))

    def _encode(self, wav: torch.Tensor, lengths: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        codes = to_frames(self._model.encode(wav))
        return codes, torch.full_like(lengths, codes.shape[2])

    def _decode(self, codes: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:  # noqa: ARG002
        return decode_each(self._model.decode, to_books(codes, GROUP))
