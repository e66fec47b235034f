"""The tokenizer contract: 16 kHz speech in, codes (B, K, T) out, and back where the tokenizer can.

A tokenizer is a dataclass whose fields are the keys of its yaml. It says what it is in `spec`,
implements `_encode` (and `_decode`) at its own sample rate, and loads weights on first use, so that
looking a tokenizer up costs nothing. Resampling, padding to whole frames and trimming happen here.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, fields
from math import ceil
from pathlib import Path
from typing import Any, ClassVar, Literal, Self, get_args

import numpy as np
import torch

from benchmark.data.audio import resample
from benchmark.errors import unknown
from benchmark.storage.identity import KEY_UNLESS_DEFAULT, uid_of
from benchmark.types import SAMPLE_RATE, TokenizerSpec

Precision = Literal["float32", "bfloat16", "auto"]

NOT_IDENTITY = {"identity": False}
"""Field metadata for what does not change the codes: a folder's path, a display name."""


@dataclass(kw_only=True)
class Tokenizer(ABC):
    """Base of every tokenizer.

    Attributes:
        name: Row label; the yaml's file name unless it holds a variant.
        encode_precision: What a network computes in while it encodes. "bfloat16" is by autocast, and only
            where a sample's codes stay as they are (`tokens.encode`); "auto" is bfloat16 on a GPU.
        version: Raise it when the code changes what the codes are: old artifacts are then ignored.
    """

    version: ClassVar[int] = 1

    name: str
    device: str = field(default="cpu", metadata=NOT_IDENTITY)
    encode_precision: Precision = field(default="float32", metadata=NOT_IDENTITY)

    @property
    @abstractmethod
    def spec(self) -> TokenizerSpec:
        """The facts of this tokenizer; must not load weights."""

    @property
    def has_network(self) -> bool:
        """Whether the codes come from a torch network, which has a choice of precision."""
        return False

    @property
    def wants_bfloat16(self) -> bool:
        """Whether encoding in bfloat16 is to be tried.

        Raises: UserError for an unknown `encode_precision`.
        """
        if self.encode_precision not in get_args(Precision):
            raise unknown("encode_precision", self.encode_precision, get_args(Precision))
        if self.encode_precision == "auto":
            return self.device.startswith("cuda") and self.has_network
        return self.encode_precision == "bfloat16" and self.has_network

    def weights_digest(self) -> str | None:
        """Digest of the pretrained weights' bytes, or None where there are none."""
        return None

    def identity(self) -> dict[str, Any]:
        """Everything the codes depend on: the key of every artifact made from them."""
        arguments: dict[str, Any] = {}
        for item in fields(self):
            value = getattr(self, item.name)
            if item.name == "name" or not item.metadata.get("identity", True):
                continue
            if item.metadata == KEY_UNLESS_DEFAULT and value == item.default:
                continue
            arguments[item.name] = value.identity() if isinstance(value, Tokenizer) else value
        # A sample with the same codes proves nothing about the rest, so artifacts are kept apart.
        precision = {"precision": "bfloat16"} if self.wants_bfloat16 else {}
        return {
            "class": uid_of(type(self)),
            "version": self.version,
            "arguments": arguments,
            "weights": self.weights_digest(),
            **precision,
        }

    @torch.no_grad()  # not inference_mode: codes made there cannot enter a trainable layer
    def encode(self, wav: torch.Tensor, lengths: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Tokenize speech.

        Args:
            wav: (B, T) float32 at 16 kHz, zero beyond `lengths`.
            lengths: (B,) samples.

        Returns:
            codes: (B, K, T') int64; whatever lies beyond `code_lengths` is undefined.
            code_lengths: (B,) frames.

        Raises:
            ValueError: a batch of unequal lengths where `spec.supports_padding` is False.
        """
        if not self.spec.supports_padding and len(set(lengths.tolist())) > 1:
            raise ValueError(f"{self.name} takes batches of equal length only; got {lengths.tolist()}")
        rate, hop = self.spec.sample_rate, self.spec.hop_length
        native = _resample(wav, SAMPLE_RATE, rate)
        native_lengths = torch.ceil(lengths * (rate / SAMPLE_RATE)).long()
        padded = ceil(native.shape[-1] / hop) * hop
        native = torch.nn.functional.pad(native, (0, padded - native.shape[-1])).to(self.device)
        codes, code_lengths = self._encode(native, native_lengths.to(self.device))
        return codes.long().cpu(), code_lengths.long().cpu()

    @torch.no_grad()
    def decode(
        self,
        codes: torch.Tensor,
        lengths: torch.Tensor,
        num_samples: torch.Tensor,
        side_info: Sequence[torch.Tensor] | None = None,
    ) -> torch.Tensor:
        """Reconstruct speech with the tokenizer's own decoder.

        Args:
            codes: (B, K, T') int64.
            lengths: (B,) frames.
            num_samples: (B,) length of each utterance in samples at 16 kHz.
            side_info: What `extract_side_info` gave for each utterance's own recording (reconstruction)
                or for one of the target speaker (conversion); where `spec.decode_needs_prompt`.

        Returns:
            (B, max(num_samples)) float32 at 16 kHz, zero beyond each length.

        Raises:
            TypeError: the tokenizer has no decoder (`spec.can_decode` is False), or `side_info` is
                missing, or given where none is taken.
        """
        spec = self.spec
        if not spec.can_decode:
            raise TypeError(f"{self.name} has no decoder of its own; use a vocoder")
        if spec.decode_needs_prompt is (side_info is None):
            raise TypeError(f"{self.name} {'needs' if side_info is None else 'takes no'} side information")
        codes, lengths = codes.to(self.device), lengths.to(self.device)
        if side_info is None:
            native = self._decode(codes, lengths)
        else:
            native = self._decode_with(codes, lengths, [part.to(self.device) for part in side_info])
        wav = _resample(native.float().cpu(), spec.output_rate or spec.sample_rate, SAMPLE_RATE)
        longest = int(num_samples.max())
        wav = torch.nn.functional.pad(wav, (0, max(0, longest - wav.shape[-1])))[:, :longest]
        return wav * (torch.arange(longest) < num_samples[:, None])

    @torch.no_grad()
    def extract_side_info(self, wav: torch.Tensor) -> torch.Tensor:
        """What the decoder needs beside the codes, such as the speaker, from one recording.

        Args:
            wav: (T,) float32 at 16 kHz.

        Raises:
            TypeError: the decoder takes none (`spec.decode_needs_prompt` is False).
        """
        if not self.spec.decode_needs_prompt:
            raise TypeError(f"{self.name} has no side information")
        native = _resample(wav[None], SAMPLE_RATE, self.spec.sample_rate)
        return self._side_info(native.to(self.device)).cpu()

    def decoder_identity(self) -> dict[str, Any]:
        """What decoded speech depends on beyond `identity`, such as a model that hears the prompt.

        Apart from it, because encoding must not ask for that model.
        """
        return {}

    def codebook_vectors(self) -> torch.Tensor | None:
        """(K, V, D) float32 vectors behind the codes, for consumers that start from them, or None."""
        return None

    @property
    def base_tokenizer(self) -> "Tokenizer":
        """The tokenizer whose codes a vocoder for this one is trained on: itself, but for floors."""
        return self

    def over(self, base: "Tokenizer") -> "Tokenizer":
        """Return this tokenizer with `base` in the place of `base_tokenizer`."""
        return base

    @abstractmethod
    def _encode(self, wav: torch.Tensor, lengths: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """As `encode`, at the tokenizer's own rate, T a whole number of hops."""

    def _decode(self, codes: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """Codes to (B, T) at the decoder's rate."""
        raise NotImplementedError

    def _decode_with(
        self, codes: torch.Tensor, lengths: torch.Tensor, side_info: list[torch.Tensor]
    ) -> torch.Tensor:
        """As `_decode`, with one tensor of side information per utterance."""
        raise NotImplementedError

    def _side_info(self, wav: torch.Tensor) -> torch.Tensor:
        """Side information of one recording (1, T) at the tokenizer's own rate, without a batch axis."""
        raise NotImplementedError


@dataclass(kw_only=True)
class FittedTokenizer(Tokenizer):
    """A tokenizer whose codebook is fitted on training speech and kept as an artifact.

    `fit` and `with_codebook` return another tokenizer, so that nobody's identity changes under their hands.
    """

    codebook_digest: str | None = field(default=None, init=False, metadata=NOT_IDENTITY)
    """Digest of the codebook that is in use, None before one is fitted: part of `identity`."""

    @property
    def is_published(self) -> bool:
        """Whether the codebook is given, so that there is nothing to fit."""
        return False

    def identity(self) -> dict[str, Any]:
        """Like the base class, with the codebook that is in use."""
        return {**super().identity(), "codebook": self.codebook_digest}

    @abstractmethod
    def fit(self, wavs: Iterable[np.ndarray], seed: int) -> Self:
        """Return this tokenizer with a codebook fitted on utterances, each (T,) float32 at 16 kHz."""

    @property
    @abstractmethod
    def fit_report(self) -> dict[str, Any]:
        """JSON-able facts of the fit; empty before one."""

    @abstractmethod
    def save_codebook(self, folder: Path) -> None:
        """Write the codebook and the report of its fit."""

    @abstractmethod
    def with_codebook(self, folder: Path) -> Self:
        """Return this tokenizer with the codebook that `save_codebook` has written.

        The name of `folder` is that of the codebook's artifact, and becomes `codebook_digest`.
        """


def true_length(wav: torch.Tensor, lengths: torch.Tensor, at_least: int = 1) -> torch.Tensor:
    """A batch of equal lengths without its padding to whole hops, for models that see padding.

    Args:
        wav: (B, T).
        lengths: (B,) samples, all the same.
        at_least: Samples that the model cannot do without; shorter speech is filled up with zeros.
    """
    wav = wav[:, : int(lengths[0])]
    return torch.nn.functional.pad(wav, (0, max(0, at_least - wav.shape[1])))


def _resample(wav: torch.Tensor, source_rate: int, target_rate: int) -> torch.Tensor:
    if source_rate == target_rate:
        return wav
    return torch.from_numpy(np.ascontiguousarray(resample(wav.cpu().numpy(), source_rate, target_rate)))
