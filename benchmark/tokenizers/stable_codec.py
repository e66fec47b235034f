"""Stable-Codec (Parker et al. 2024, arXiv 2411.19842): a transformer codec with scalar quantization (FSQ)."""

import json
from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import Any, ClassVar, Literal, get_args

import torch
from torch.nn import functional as F
from torchaudio.functional import loudness

from benchmark.errors import unknown
from benchmark.storage.weights import load_into, load_tensors
from benchmark.tokenizers.networks.stable_codec import Options, StableCodecNetwork, rename
from benchmark.tokenizers.pretrained import Pretrained
from benchmark.types import SAMPLE_RATE, TokenizerSpec

Books = Literal[1, 2, 4]
LEVELS = {1: 6, 2: 5, 4: 3}
"""Levels per dimension of each codebook, by number of codebooks: the presets that the authors recommend."""
DIMENSIONS = 6
HOP = 640
IGNORED = ("checkpointing",)
"""Options of the config file that only training needs."""
CHANNELS = {"encoder": "in_channels", "decoder": "out_channels"}

TARGET_LUFS = -20.0
QUIETEST = 1e-6
"""Mean square below which speech counts as silence, and is not made louder."""
BLOCK = round(0.4 * SAMPLE_RATE)
"""Samples of one block in which loudness is measured (ITU-R BS.1770-4)."""
PEAK = 0.95
"""Peak of speech that would be clipped at the target loudness."""


@dataclass(kw_only=True)
class StableCodec(Pretrained):
    """Codes of six numbers each at 25 Hz, in codebooks of which each quantizes what the former left.

    The quantizer is put in after training, in place of the one that the model was trained with. Speech is
    brought to −20 LUFS before encoding, as in the released code, and decoded speech has that loudness.

    Attributes:
        files: The config file and the weights, a safetensors or a checkpoint file.
        books: Number of codebooks: 1 of 46656 entries, 2 of 15625, or 4 of 729.
    """

    uid: ClassVar[str] = "benchmark.tokenizers.stable_codec.StableCodec"

    books: Books

    def __post_init__(self) -> None:
        if self.books not in get_args(Books):
            raise unknown(f"books of {self.name}", self.books, get_args(Books))
        self.require_files("the config file", "the weights")

    @property
    def spec(self) -> TokenizerSpec:
        """The specification. Loudness is measured over the utterance, and convolutions look ahead."""
        return self.make_spec(
            kind="acoustic",
            sample_rate=SAMPLE_RATE,
            frame_rate=SAMPLE_RATE / HOP,
            codebook_sizes=(self._levels**DIMENSIONS,) * self.books,
            causal=False,
            can_decode=True,
            supports_padding=False,
        )

    @property
    def _levels(self) -> int:
        return LEVELS[self.books]

    @cached_property
    def _model(self) -> StableCodecNetwork:
        facts, path = (self.file(name) for name in self.files)
        with self.reading(self.checkpoint, "Stable-Codec"):
            config = json.loads(facts.read_text())
            encoder, decoder = (self._options(config, part) for part in CHANNELS)
            patch = self._patch(config)
            self.check(
                dimensions=([encoder.latent_dim, decoder.latent_dim], [DIMENSIONS] * 2),
                samples_per_code=(patch * prod(encoder.strides), HOP),
                samples_per_decoded_code=(patch * prod(decoder.strides), HOP),
            )
            model, state = StableCodecNetwork(patch, encoder, decoder), load_tensors(path)
            load_into(model, rename(state.get("state_dict", state)), path)
        return model.to(self.device)

    def _patch(self, config: dict[str, Any]) -> int:
        """Return the samples per patch, after a check of the facts that are fixed here."""
        model, patching = config["model"], config["model"]["pretransform"]
        self.check(
            sample_rate=(config["sample_rate"], SAMPLE_RATE),
            pretransform=(patching["type"], "patched"),
            oversampling=(patching["config"].get("oversampling", 1), 1),
            soft_clip=(model["decoder"].get("soft_clip", False), False),
            **{part: (model[part]["type"], "taae") for part in CHANNELS},
            **{
                channels: (model[part]["config"].get(channels, 2), patching["config"]["patch_size"])
                for part, channels in CHANNELS.items()
            },
        )
        return int(patching["config"]["patch_size"])

    def _options(self, config: dict[str, Any], part: str) -> Options:
        facts = config["model"][part]["config"]
        return Options(**{k: v for k, v in facts.items() if k not in (*IGNORED, CHANNELS[part])})

    def codebook_vectors(self) -> torch.Tensor:
        """Return the points that the codes stand for, which add up, (books, entries, 6)."""
        codes = torch.arange(self.spec.codebook_size)
        return torch.stack([self._points(codes, book) for book in range(self.books)])

    def _encode(self, wav: torch.Tensor, lengths: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        latents = self._model.encode(torch.stack([to_target_loudness(row) for row in wav]))
        rest = latents.double().tanh()  # as upstream: single precision moves points near a boundary
        codes = []
        for book in range(self.books):
            indices = ((rest + self._reach(book)) / self._step(book)).round().long()
            codes.append((indices * self._powers(wav.device)).sum(-1))
            rest = rest - (indices * self._step(book) - self._reach(book))
        return torch.stack(codes, dim=1), (lengths + HOP - 1) // HOP

    def _decode(self, codes: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:  # noqa: ARG002
        points = [self._points(row, book) for book, row in enumerate(codes.unbind(1))]
        return self._model.decode(torch.stack(points).sum(0))

    def _points(self, codes: torch.Tensor, book: int) -> torch.Tensor:
        """Map the codes (…) of a codebook to points (…, 6)."""
        indices = codes[..., None] // self._powers(codes.device) % self._levels
        return indices.float() * self._step(book) - self._reach(book)

    def _powers(self, device: torch.device) -> torch.Tensor:
        """Return what a step in each dimension adds to a code, (6,); the first dimension adds one."""
        return self._levels ** torch.arange(DIMENSIONS, device=device)

    def _reach(self, book: int) -> float:
        """Return the largest number that a codebook holds: half a step of the codebook before it."""
        return (self._levels - 1.0) ** -book

    def _step(self, book: int) -> float:
        return 2 * self._reach(book) / (self._levels - 1)


def to_target_loudness(wav: torch.Tensor) -> torch.Tensor:
    """Bring speech (T,) to −20 LUFS, or to a peak of 0.95 if it were clipped then.

    Silence is left alone, and so is sound without any block above −70 LUFS. Speech shorter than a block,
    for which upstream raises an error, is measured with zeros after it.
    """
    if wav.square().mean() < QUIETEST:
        return wav
    found = loudness(F.pad(wav, (0, max(0, BLOCK - len(wav))))[None], SAMPLE_RATE)
    if not found.isfinite():
        return wav
    louder = wav * 10 ** ((TARGET_LUFS - found) / 20)
    peak = louder.abs().max()
    return louder / peak * PEAK if peak > 1 else louder
