"""TiCodec (Ren et al. 2024, arXiv 2310.00014), with the network written here."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import ClassVar, Literal, NamedTuple, get_args

import torch

from benchmark.errors import UserError, unknown
from benchmark.storage.weights import load_into, load_tensors
from benchmark.tokenizers.base import true_length
from benchmark.tokenizers.kmeans import quantize
from benchmark.tokenizers.networks.ticodec import Decoder, Encoder, rename
from benchmark.tokenizers.pretrained import Pretrained
from benchmark.types import TokenizerSpec

HOP = 320
CODEBOOK_SIZE = 1024
INVARIANT_CODES = 8
UNUSED = "linear."
"""Prefix of an encoder layer that upstream's code never calls."""
WEIGHTS = "logs_conv_only/logs_convonly_Lib_1g{}r_cos_from_head/g_*"
"""Path of a model in the hub's repository, by number of codebooks. File names end in the training step."""

Codebooks = Literal[1, 2, 4]


class Model(NamedTuple):
    """The parts of one published model."""

    encoder: Encoder
    decoder: Decoder
    books: torch.Tensor
    """Residual codebooks of the frames, (K, 1024, D)."""
    invariant_books: torch.Tensor
    """Codebooks of the eight parts of the time-invariant vector, (8, 1024, I / 8)."""


@dataclass(kw_only=True)
class TiCodec(Pretrained):
    """Residual codes of 10 bits at 75 Hz, and eight codes per utterance for what stays the same: the voice.

    The eight codes are the side information. Decoding with those of another speaker converts the voice.

    Attributes:
        num_codebooks: Residual codebooks: 1, 2 or 4. Each number has its own model; the smaller ones are
            not prefixes of the larger.
    """

    uid: ClassVar[str] = "benchmark.tokenizers.ticodec.TiCodec"

    num_codebooks: Codebooks = 4

    def __post_init__(self) -> None:
        if self.num_codebooks not in get_args(Codebooks):
            raise unknown(f"num_codebooks of {self.name}", self.num_codebooks, get_args(Codebooks))

    @property
    def spec(self) -> TokenizerSpec:
        """The specification. Norms span the whole utterance, so batches must be of equal length."""
        return self.make_spec(
            kind="acoustic-disentangled",
            sample_rate=24_000,
            frame_rate=24_000 / HOP,
            codebook_sizes=(CODEBOOK_SIZE,) * self.num_codebooks,
            causal=False,
            can_decode=True,
            supports_padding=False,
            decode_needs_prompt=True,
            side_info="8 time-invariant codes, chosen from 1024 each",
            side_info_bits=INVARIANT_CODES * 10,
        )

    @cached_property
    def _model(self) -> Model:
        path = self._weights_file()
        with self.reading(path, "TiCodec checkpoint"):
            published = load_tensors(path)
            state = rename({n: t for n, t in published["encoder"].items() if not n.startswith(UNUSED)})
            hidden, middle = state["time_invariant.conv.0.weight"].shape[:2]
            encoder = Encoder(middle // 4, hidden, len(state["time_invariant.fn.0.weight"]))
            load_into(encoder, state, path)
            state = rename(published["generator"])
            channels, latent = state["conv_pre.weight"].shape[:2]
            decoder = Decoder(latent, channels)
            load_into(decoder, state, path)
            books = published["quantizer"]
            levels = ["", *map(str, range(2, self.num_codebooks + 1))]
            frames = _stack(books, [f"quantizer_modules{level}.0" for level in levels])
            # Upstream's older name for the time-invariant codebooks is the number 3, which the model with
            # four codebooks needs for one of the frames' own.
            kind = "_globaltokens" if any("globaltokens" in name for name in books) else "3"
            names = [f"quantizer_modules{kind}.{index}" for index in range(INVARIANT_CODES)]
            invariant = _stack(books, names)
        self.check(
            codebooks=(len(books), self.num_codebooks + INVARIANT_CODES),
            codebook_size=((frames.shape[1], invariant.shape[1]), (CODEBOOK_SIZE, CODEBOOK_SIZE)),
        )
        frames, invariant = frames.to(self.device), invariant.to(self.device)
        return Model(encoder.to(self.device), decoder.to(self.device), frames, invariant)

    def _weights_file(self) -> Path:
        """Find the model's single file.

        Raises: UserError if there is none, or more than one.
        """
        pattern = WEIGHTS.format(self.num_codebooks)
        found = sorted(self.folder.glob(pattern))
        if len(found) != 1:
            names = ", ".join(path.name for path in found) or "none"
            raise UserError(f"{self.name}: {self.checkpoint} must have one file {pattern}; it has {names}")
        return found[0]

    def codebook_vectors(self) -> torch.Tensor:
        """Return the frames' codebooks, (K, 1024, D) float32."""
        return self._model.books.cpu()

    def _encode(self, wav: torch.Tensor, lengths: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Encode without padding, as upstream does: an incomplete last frame has no codes."""
        encoder = self._model.encoder
        latents = encoder.latents(encoder.middle(true_length(wav, lengths, HOP))).transpose(1, 2)
        codes = quantize(latents.flatten(0, 1), self._model.books).unflatten(0, latents.shape[:2])
        return codes.transpose(1, 2), torch.full_like(lengths, latents.shape[1])

    def _side_info(self, wav: torch.Tensor) -> torch.Tensor:
        """Return the eight time-invariant codes of a recording, (8,) int64."""
        encoder = self._model.encoder
        samples = torch.tensor([wav.shape[1]])
        vector = encoder.time_invariant(encoder.middle(true_length(wav, samples, HOP)))
        books = self._model.invariant_books
        parts = zip(vector.chunk(INVARIANT_CODES, 1), books, strict=True)
        return torch.cat([quantize(part, book[None])[0] for part, book in parts])

    def _decode_with(
        self,
        codes: torch.Tensor,
        lengths: torch.Tensor,  # noqa: ARG002
        side_info: list[torch.Tensor],
    ) -> torch.Tensor:
        books = zip(self._model.books, codes.unbind(1), strict=True)
        frames = torch.stack([book[code] for book, code in books]).sum(0).transpose(1, 2)
        voices = torch.stack(side_info)
        parts = zip(self._model.invariant_books, voices.unbind(1), strict=True)
        return self._model.decoder(frames, torch.cat([book[code] for book, code in parts], 1))


def _stack(books: dict[str, torch.Tensor], names: list[str]) -> torch.Tensor:
    """Stack codebooks of the same size to (K, V, D) float32."""
    return torch.stack([books[f"{name}.embedding.weight"].float() for name in names])
