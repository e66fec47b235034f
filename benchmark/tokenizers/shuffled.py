"""A lower bound (floor): the codes of another tokenizer with their order in time destroyed."""

import hashlib
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import torch

from benchmark.tokenizers.base import Tokenizer
from benchmark.types import TokenizerSpec


@dataclass(kw_only=True)
class Shuffled(Tokenizer):
    """A tokenizer that permutes the frames of `base` within each utterance.

    The codes and their counts stay the same, but the spoken content is lost. The seed of the permutation is a
    hash of the codes of the utterance, so the permutation does not depend on the batch.
    """

    uid: ClassVar[str] = "benchmark.tokenizers.shuffled.Shuffled"

    base: Tokenizer

    @property
    def spec(self) -> TokenizerSpec:
        """The facts of the base, with another name and kind."""
        return replace(self.base.spec, name=self.name, kind="floor")

    @property
    def base_tokenizer(self) -> Tokenizer:
        """The base tokenizer, because a vocoder trained on shuffled codes would learn nothing."""
        return self.base.base_tokenizer

    def over(self, base: Tokenizer) -> Tokenizer:
        """Return a copy that shuffles the codes of another base."""
        return replace(self, base=self.base.over(base))

    @property
    def has_network(self) -> bool:
        """True if the base has a network."""
        return self.base.has_network

    def codebook_vectors(self) -> torch.Tensor | None:
        """Return the codebook vectors of the base."""
        return self.base.codebook_vectors()

    def _encode(self, wav: torch.Tensor, lengths: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        codes, frames = self.base._encode(wav, lengths)
        shuffled = codes.clone()
        for row, count in enumerate(frames.tolist()):
            own = codes[row, :, :count]
            seed = hashlib.sha256(own.cpu().numpy().astype("<i8").tobytes()).digest()
            order = np.random.default_rng(np.frombuffer(seed, "<u4")).permutation(count)
            shuffled[row, :, :count] = own[:, torch.from_numpy(order).to(codes.device)]
        return shuffled, frames

    def _decode(self, codes: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        return self.base._decode(codes, lengths)

    def _decode_with(
        self, codes: torch.Tensor, lengths: torch.Tensor, side_info: list[torch.Tensor]
    ) -> torch.Tensor:
        return self.base._decode_with(codes, lengths, side_info)

    def _side_info(self, wav: torch.Tensor) -> torch.Tensor:
        return self.base._side_info(wav)
