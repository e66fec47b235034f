"""The interface of tokenizers: speech in, codes (B, K, T) out, and 16 kHz speech if the tokenizer can decode.

A tokenizer is a dataclass whose fields are the keys of its yaml. The property `spec` states its facts. A
tokenizer implements `_encode` (and `_decode`) at its own sample rate, and loads weights on first use, so that
building a tokenizer is cheap. The base class resamples, pads to whole frames and trims.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from copy import copy
from dataclasses import dataclass, field, fields
from math import ceil
from pathlib import Path
from typing import Any, ClassVar, Literal, Self, get_args

import numpy as np
import torch

from benchmark.data.audio import resample
from benchmark.errors import unknown
from benchmark.storage.identity import KEY_UNLESS_DEFAULT, uid_of
from benchmark.tokenizers.code_checks import checked_codes
from benchmark.types import SAMPLE_RATE, TokenizerSpec

Precision = Literal["float32", "bfloat16", "auto"]

NOT_IDENTITY = {"identity": False}
"""Metadata of fields that do not change the codes, such as the path of a folder or a display name."""


@dataclass(kw_only=True)
class Tokenizer(ABC):
    """Base class of every tokenizer.

    Attributes:
        name: Label of rows; the file name of the yaml unless the yaml holds a variant.
        encode_precision: Precision in which a network encodes. "bfloat16" uses autocast, and only if the
            codes of a sample stay the same (`encoding.bfloat16_check`); "auto" is bfloat16 on a GPU.
        input_rate: Rate (Hz) of the speech that `encode` and `extract_side_info` take. It is not for yamls:
            `benchmark.tokenizers.hearing` sets it by the recordings of the corpus.
        version: Number to raise when a change of the code changes the codes; old artifacts are then ignored.
    """

    version: ClassVar[int] = 1

    name: str
    device: str = field(default="cpu", metadata=NOT_IDENTITY)
    encode_precision: Precision = field(default="float32", metadata=NOT_IDENTITY)
    input_rate: int = field(default=SAMPLE_RATE, metadata=KEY_UNLESS_DEFAULT)

    @property
    @abstractmethod
    def spec(self) -> TokenizerSpec:
        """Facts of this tokenizer, stated without loading weights."""

    @property
    def has_network(self) -> bool:
        """True if the codes come from a torch network, which has a choice of precision."""
        return False

    @property
    def wants_bfloat16(self) -> bool:
        """True if encoding in bfloat16 is to be tried.

        Raises: UserError for an unknown `encode_precision`.
        """
        if self.encode_precision not in get_args(Precision):
            raise unknown("encode_precision", self.encode_precision, get_args(Precision))
        if self.encode_precision == "auto":
            return self.device.startswith("cuda") and self.has_network
        return self.encode_precision == "bfloat16" and self.has_network

    def weights_digest(self) -> str | None:
        """Return a digest of the bytes of the pretrained weights, or None without such weights."""
        return None

    def identity(self) -> dict[str, Any]:
        """Return everything that the codes depend on; part of the key of every artifact made from them."""
        arguments: dict[str, Any] = {}
        for item in fields(self):
            value = getattr(self, item.name)
            if item.name == "name" or not item.metadata.get("identity", True):
                continue
            if item.metadata == KEY_UNLESS_DEFAULT and value == item.default:
                continue
            arguments[item.name] = value.identity() if isinstance(value, Tokenizer) else value
        # Equal codes of a sample prove nothing about the rest, so each precision has artifacts of its own.
        precision = {"precision": "bfloat16"} if self.wants_bfloat16 else {}
        return {
            "class": uid_of(type(self)),
            "version": self.version,
            "arguments": arguments,
            "weights": self.weights_digest(),
            **precision,
        }

    def hearing(self, rate: int) -> Self:
        """Return a copy that takes speech at `rate`, as do copies of the tokenizers in its fields."""
        if rate == self.input_rate:
            return self
        heard = copy(self)  # shallow, so that both share a loaded model and a codebook
        parts = {item.name: getattr(self, item.name) for item in fields(self)}
        inner = {name: part.hearing(rate) for name, part in parts.items() if isinstance(part, Tokenizer)}
        for name, value in {"input_rate": rate, **inner}.items():
            object.__setattr__(heard, name, value)  # a tokenizer may be frozen
        return heard

    @torch.no_grad()  # not inference_mode: codes made there cannot enter a trainable layer
    def encode(self, wav: torch.Tensor, lengths: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Tokenize speech.

        Args:
            wav: (B, T) float32 at `input_rate`, zero beyond `lengths`.
            lengths: (B,) samples.

        Returns:
            codes: (B, K, T') int64; values beyond `code_lengths` are undefined.
            code_lengths: (B,) frames.

        Raises:
            ValueError: the lengths differ although `spec.supports_padding` is False.
            BrokenContract: `_encode` returned something else than `spec` promises.
        """
        if not self.spec.supports_padding and len(set(lengths.tolist())) > 1:
            raise ValueError(f"{self.name} takes batches of equal length only; got {lengths.tolist()}")
        rate, hop = self.spec.sample_rate, self.spec.hop_length
        native = _resample(wav, self.input_rate, rate)
        native_lengths = torch.ceil(lengths * (rate / self.input_rate)).long()
        padded = ceil(native.shape[-1] / hop) * hop
        native = torch.nn.functional.pad(native, (0, padded - native.shape[-1])).to(self.device)
        result = self._encode(native, native_lengths.to(self.device))
        return checked_codes(self.spec, result, lengths.double() / self.input_rate)

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
            side_info: Results of `extract_side_info`, one per utterance, if `spec.decode_needs_prompt`: of
                the utterance's own recording (reconstruction) or of one of the target speaker (conversion).

        Returns:
            (B, max(num_samples)) float32 at 16 kHz, zero beyond each length.

        Raises:
            TypeError: the tokenizer has no decoder (`spec.can_decode` is False), or `side_info` is
                missing, or is given although the decoder takes none.
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
        """Extract from one recording what the decoder needs besides the codes, such as the speaker.

        Args:
            wav: (T,) float32 at `input_rate`.

        Raises:
            TypeError: the decoder takes none (`spec.decode_needs_prompt` is False).
        """
        if not self.spec.decode_needs_prompt:
            raise TypeError(f"{self.name} has no side information")
        native = _resample(wav[None], self.input_rate, self.spec.sample_rate)
        return self._side_info(native.to(self.device)).cpu()

    def decoder_identity(self) -> dict[str, Any]:
        """Return what decoded speech depends on beyond `identity`, such as a model that encodes the prompt.

        The two are separate, because encoding must not require that model.
        """
        return {}

    def codebook_vectors(self) -> torch.Tensor | None:
        """Return the (K, V, D) float32 vectors of the codebooks, or None.

        Vocoders and probes may initialise their embeddings with these vectors.
        """
        return None

    @property
    def base_tokenizer(self) -> "Tokenizer":
        """Tokenizer whose codes train a vocoder for this one: this tokenizer, except for floors."""
        return self

    def over(self, base: "Tokenizer") -> "Tokenizer":
        """Return a copy of this tokenizer with `base` as its `base_tokenizer`."""
        return base

    @abstractmethod
    def _encode(self, wav: torch.Tensor, lengths: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Encode like `encode`, at the tokenizer's own rate, with T a whole number of hops."""

    def _decode(self, codes: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """Decode codes (B, K, T') to speech (B, T) at the decoder's rate."""
        raise NotImplementedError(self._lacks("_decode"))

    def _decode_with(
        self, codes: torch.Tensor, lengths: torch.Tensor, side_info: list[torch.Tensor]
    ) -> torch.Tensor:
        """Decode like `_decode`, with one tensor of side information per utterance."""
        raise NotImplementedError(self._lacks("_decode_with"))

    def _side_info(self, wav: torch.Tensor) -> torch.Tensor:
        """Extract side information, without a batch axis, from a recording (1, T) at the tokenizer's rate."""
        raise NotImplementedError(self._lacks("_side_info"))

    def _lacks(self, name: str) -> str:
        """Say which optional method is missing; `encoding.contract.require_facts` refuses it before a run."""
        return f"{type(self).__name__} has no {name}, although its spec declares what needs it"


def parts(tokenizer: Tokenizer) -> list[Tokenizer]:
    """Return a tokenizer and the tokenizers in its fields, at any depth."""
    inner = [getattr(tokenizer, item.name) for item in fields(tokenizer)]
    return [tokenizer, *(part for value in inner if isinstance(value, Tokenizer) for part in parts(value))]


@dataclass(kw_only=True)
class FittedTokenizer(Tokenizer):
    """A tokenizer whose codebook is fitted on training speech and kept as an artifact.

    `fit` and `with_codebook` return a new tokenizer, so that the identity of a tokenizer never changes.
    """

    codebook_digest: str | None = field(default=None, init=False, metadata=NOT_IDENTITY)
    """Digest of the codebook in use, None before the fit; part of `identity`."""

    @property
    def is_published(self) -> bool:
        """True if a published codebook is used, so that there is nothing to fit."""
        return False

    def identity(self) -> dict[str, Any]:
        """Return the identity of the base class and the digest of the codebook in use."""
        return {**super().identity(), "codebook": self.codebook_digest}

    @abstractmethod
    def fit(self, wavs: Iterable[np.ndarray], seed: int) -> Self:
        """Return a copy with a codebook fitted on utterances, each (T,) float32 at 16 kHz."""

    @abstractmethod
    def save_codebook(self, folder: Path) -> None:
        """Write the codebook and the report of its fit."""

    @abstractmethod
    def with_codebook(self, folder: Path) -> Self:
        """Return a copy with the codebook that `save_codebook` wrote.

        The name of `folder` is the name of the codebook's artifact, and becomes `codebook_digest`.
        """


def true_length(wav: torch.Tensor, lengths: torch.Tensor, at_least: int = 1) -> torch.Tensor:
    """Remove the padding to whole hops from a batch of equal lengths, for models that see padding.

    Args:
        wav: (B, T).
        lengths: (B,) samples, all equal.
        at_least: Minimum number of samples that the model needs; shorter speech is padded with zeros.
    """
    wav = wav[:, : int(lengths[0])]
    return torch.nn.functional.pad(wav, (0, max(0, at_least - wav.shape[1])))


def _resample(wav: torch.Tensor, source_rate: int, target_rate: int) -> torch.Tensor:
    if source_rate == target_rate:
        return wav
    return torch.from_numpy(np.ascontiguousarray(resample(wav.cpu().numpy(), source_rate, target_rate)))
