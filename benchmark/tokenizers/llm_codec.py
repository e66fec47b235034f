"""LLM-Codec (Yang et al. 2024, UniAudio 1.5, arXiv 2406.10056): codes at three rates that stand for words."""

from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import torch

from benchmark.errors import UserError
from benchmark.storage.weights import load_into, load_tensors
from benchmark.tokenizers.networks.llm_codec import GROUP, STRIDES, LlmCodecNetwork, rename
from benchmark.tokenizers.pretrained import Pretrained, stack_books
from benchmark.types import SAMPLE_RATE, TokenizerSpec

HOP = 480
CODEBOOK_SIZES = (3248, 32_000, 32_000)
"""Words of a dictionary, and twice the vocabulary of LLaMA 2."""
SEED = 0


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

    def __post_init__(self) -> None:
        if len(self.files) != 1:
            raise UserError(f"{self.name}: files must name one checkpoint, not {self.files}")

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
        try:
            state = rename(load_tensors(path, settings=True)["codec_model"])
            model = LlmCodecNetwork.of_shapes(state)
        except KeyError as error:
            raise UserError(f"{self.name}: {path} is no LLM-Codec checkpoint; it lacks {error}") from error
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
        books = self._model.encode(wav)
        repeated = [book.repeat_interleave(s, 1) for book, s in zip(books, STRIDES, strict=True)]
        codes = torch.stack(repeated, 1)
        return codes, torch.full_like(lengths, codes.shape[2])

    def _decode(self, codes: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:  # noqa: ARG002
        codes = torch.cat([codes, codes[..., -1:].repeat(1, 1, -codes.shape[-1] % GROUP)], -1)
        books = [codes[:, k, ::stride].contiguous() for k, stride in enumerate(STRIDES)]
        rows = []
        with torch.random.fork_rng():
            for row in range(len(codes)):  # one by one, so that the noise does not depend on the batch
                torch.manual_seed(SEED)
                rows.append(self._model.decode([book[row : row + 1] for book in books]))
        return torch.cat(rows)
