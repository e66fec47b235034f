"""Tokenizers of loudness, whose codes a test can count by hand, and their length reduction."""

from dataclasses import dataclass, replace
from typing import Any

import torch

from benchmark.storage.token_store import TokenStore
from benchmark.tasks.base import Outcome, RunContext
from benchmark.tasks.length_reduction import LengthReduction
from benchmark.tokenizers.base import Tokenizer
from benchmark.tokenizers.encoding.encode import encode_manifest
from benchmark.types import TokenizerSpec
from tests.tasks.conftest import Voices

HOP = 160


@dataclass(kw_only=True)
class Loudness(Tokenizer):
    """A tokenizer of 100 Hz: loudness in 12 steps and, in a second codebook, whether the wave goes up."""

    books: int = 1

    @property
    def spec(self) -> TokenizerSpec:
        return TokenizerSpec(
            name=self.name,
            kind="acoustic",
            sample_rate=16_000,
            frame_rate=100,
            codebook_sizes=(12, 2)[: self.books],
            causal=True,
            can_decode=False,
            supports_padding=True,
        )

    def _encode(self, wav: torch.Tensor, lengths: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        frames = wav.unfold(1, HOP, HOP)
        power = frames.square().mean(-1)
        level = (120 * power).round().clamp(0, 11)
        return torch.stack((level, frames[..., -1] > frames[..., 0]), 1).long()[
            :, : self.books
        ], lengths // HOP


class TwoRates(Loudness):
    """Loudness at 50 Hz, repeated, beside the second codebook at 100 Hz."""

    @property
    def spec(self) -> TokenizerSpec:
        return replace(super().spec, codebook_frame_rates=(50.0, 100.0))

    def _encode(self, wav: torch.Tensor, lengths: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        codes, frames = super()._encode(wav, lengths)
        codes[:, 0] = codes[:, 0, ::2].repeat_interleave(2, -1)[..., : codes.shape[-1]]
        return codes, frames


class Samples(Loudness):
    """A tokenizer whose frames are samples."""

    @property
    def spec(self) -> TokenizerSpec:
        return replace(super().spec, frame_rate=16_000)


def task(**arguments: Any) -> LengthReduction:
    return LengthReduction(**{"name": "length_reduction", "vocabularies": [10, 20, 40], **arguments})


def values(outcome: Outcome) -> dict[str, float]:
    return {measure.metric: measure.interval.value for measure in outcome.measures}


def tokens_of(tokenizer: Tokenizer, corpus: Voices, split: str, context: RunContext) -> TokenStore:
    return encode_manifest(tokenizer, corpus.manifest(split, context.store), context.store)
