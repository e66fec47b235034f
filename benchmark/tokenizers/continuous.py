"""An upper bound (topline) of a k-means tokenizer: its features before quantization, as float16."""

from dataclasses import dataclass, replace
from typing import ClassVar

import torch

from benchmark.errors import UserError
from benchmark.storage.feature_codes import to_codes
from benchmark.tokenizers.base import Tokenizer
from benchmark.tokenizers.quantized import QuantizedFeatures
from benchmark.types import TokenizerSpec


@dataclass(kw_only=True)
class Continuous(Tokenizer):
    """A tokenizer whose codes are the features that `base` quantizes, before centring and scaling.

    Each dimension is one "codebook". A code is the bit pattern of the feature as float16, so that features
    use the token store, the interface and the keys of tokens. `spec.continuous` tells consumers to read the
    codes as numbers instead of indices.

    Attributes:
        base: A k-means tokenizer; its codebook is neither fitted nor used.
        dimensions: Number of dimensions of its features; stated here, because `spec` must not load weights.
    """

    uid: ClassVar[str] = "benchmark.tokenizers.continuous.Continuous"

    base: QuantizedFeatures
    dimensions: int

    @property
    def spec(self) -> TokenizerSpec:
        """The facts of the base, with one continuous codebook per dimension."""
        return replace(
            self.base.spec,
            name=self.name,
            kind="topline",
            codebook_sizes=(2**16,) * self.dimensions,
            continuous=True,
        )

    def _encode(self, wav: torch.Tensor, lengths: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Encode one utterance at a time, because the last bits of a network's sums depend on the batch.

        Raises: UserError if the features have another number of dimensions than `dimensions`.
        """
        hop, rows, frames = self.spec.hop_length, [], []
        for row, length in zip(wav, lengths, strict=True):
            samples = -(-int(length) // hop) * hop
            features, count = self.base.features(row[None, :samples], length[None])
            if features.shape[2] != self.dimensions:
                raise UserError(
                    f"{self.name}: the features of {self.base.name} have {features.shape[2]} dimensions; "
                    f"set tokenizer.dimensions={features.shape[2]} instead of {self.dimensions}"
                )
            rows.append(to_codes(features[0]))
            frames.append(count[0])
        return torch.nn.utils.rnn.pad_sequence(rows, batch_first=True).transpose(1, 2), torch.stack(frames)
