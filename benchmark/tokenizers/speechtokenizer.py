"""SpeechTokenizer (Zhang et al. 2024, arXiv 2308.16692), run by the authors' package."""

import json
from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import TYPE_CHECKING, ClassVar

import torch

from benchmark.errors import UserError
from benchmark.storage.weights import load_into, load_tensors
from benchmark.tokenizers.pretrained import Pretrained
from benchmark.types import SAMPLE_RATE, TokenizerSpec

if TYPE_CHECKING:
    from speechtokenizer import SpeechTokenizer as Model

HOP = 320
BOOKS = 8
FOLDER = "speechtokenizer_hubert_avg"
"""Folder of the published variant that is distilled from the average of HuBERT's layers."""


@dataclass(kw_only=True)
class SpeechTokenizer(Pretrained):
    """Residual codes of 10 bits at 50 Hz, the first of which is distilled from HuBERT.

    Attributes:
        num_codebooks: Number of codebooks used, 1 to 8. The first alone is the "semantic" token.
    """

    uid: ClassVar[str] = "benchmark.tokenizers.speechtokenizer.SpeechTokenizer"

    library: ClassVar[str | None] = "speechtokenizer"
    extra: ClassVar[str | None] = "zoo"

    num_codebooks: int = BOOKS

    def __post_init__(self) -> None:
        if not 1 <= self.num_codebooks <= BOOKS:
            raise UserError(f"{self.name}: num_codebooks must be from 1 to {BOOKS}, not {self.num_codebooks}")

    @property
    def spec(self) -> TokenizerSpec:
        """The specification. The encoder's LSTM is bidirectional, so padding would change every frame."""
        return self.make_spec(
            kind="acoustic-semantic",
            sample_rate=SAMPLE_RATE,
            frame_rate=SAMPLE_RATE / HOP,
            codebook_sizes=(1024,) * self.num_codebooks,
            causal=False,
            can_decode=True,
            supports_padding=False,
        )

    @cached_property
    def _model(self) -> "Model":
        weights = self.file(f"{FOLDER}/SpeechTokenizer.pt")
        config = json.loads(self.file(f"{FOLDER}/config.json").read_text())
        try:
            from speechtokenizer import SpeechTokenizer as Model
        except ImportError as error:  # the package imports its trainer, which needs undeclared packages
            raise UserError(
                f"{self.name}: speechtokenizer lacks a package it needs ({error}): "
                f"pip install 'speech-token-benchmark[{self.extra}]'"
            ) from error
        self.check(
            sample_rate=(config["sample_rate"], SAMPLE_RATE),
            hop=(prod(config["strides"]), HOP),
            n_q=(config["n_q"], BOOKS),
            codebook_size=(config["codebook_size"], self.spec.codebook_size),
        )
        model = Model(config)
        load_into(model, load_tensors(weights), weights)  # in evaluation mode, unlike the package's loader
        return model.to(self.device)

    def codebook_vectors(self) -> torch.Tensor:
        """Return the codebooks, (K, 1024, D)."""
        layers = self._model.quantizer.vq.layers[: self.num_codebooks]
        return torch.stack([layer.codebook for layer in layers]).cpu()

    def _encode(self, wav: torch.Tensor, lengths: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        unpadded = wav[:, None, : int(lengths[0])]
        codes = self._model.encode(unpadded, n_q=self.num_codebooks)  # (K, B, T')
        return codes.transpose(0, 1), (lengths + HOP - 1) // HOP

    def _decode(self, codes: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:  # noqa: ARG002
        return self._model.decode(codes.transpose(0, 1))[:, 0]
