"""L3AC (Zhai et al. 2025, arXiv 2504.04949; first called SQCodec), run by the authors' package."""

import tomllib
from dataclasses import dataclass
from functools import cached_property
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

import torch

from benchmark.errors import unknown
from benchmark.storage.weights import load_into, load_tensors
from benchmark.tokenizers.pretrained import Pretrained
from benchmark.types import SAMPLE_RATE, TokenizerSpec

if TYPE_CHECKING:
    from l3ac import L3AC

Model = Literal["0k75bps", "1kbps", "1k5bps", "3kbps"]
GEOMETRY: dict[str, tuple[int, int]] = {
    "0k75bps": (360, 7**6),
    "1kbps": (270, 7**6),
    "1k5bps": (180, 7**6),
    "3kbps": (96, 9**3 * 7**3),
}
"""Samples per frame and codebook entries of the published models, by their names in the package."""


@dataclass(kw_only=True)
class L3ac(Pretrained):
    """One finite scalar quantizer of 16.8 or 17.9 bits at 44 to 167 Hz.

    Attributes:
        model: Key of `GEOMETRY`; each model has its own weights.
    """

    uid: ClassVar[str] = "benchmark.tokenizers.l3ac.L3ac"

    library: ClassVar[str | None] = "l3ac"
    extra: ClassVar[str | None] = "zoo"

    model: Model

    def __post_init__(self) -> None:
        if self.model not in GEOMETRY:
            raise unknown(f"model of {self.name}", self.model, GEOMETRY)

    @property
    def spec(self) -> TokenizerSpec:
        """The specification. Not causal: attention is, but response normalisation spans the utterance."""
        hop, size = GEOMETRY[self.model]
        return self.make_spec(
            kind="acoustic",
            sample_rate=SAMPLE_RATE,
            frame_rate=SAMPLE_RATE / hop,
            codebook_sizes=(size,),
            causal=False,
            can_decode=True,
            supports_padding=False,
        )

    @cached_property
    def _model(self) -> "L3AC":
        folder = f"weights/{self.model}.v1"
        self.file(f"{folder}/encoder.pt")  # checked first, to reject a checkpoint of another model
        from l3ac import CONFIG_DIR, L3AC, L3ACConfig, ModelConfig

        # The file is read here for two reasons: environment variables such as SAMPLE_RATE or MODEL_DIR
        # override the package's settings class, and the package's `get_model` downloads.
        config = tomllib.loads((Path(CONFIG_DIR) / f"{self.model}.toml").read_text())
        network_config = ModelConfig(**config["network_config"])
        hop, size = GEOMETRY[self.model]
        self.check(
            sample_rate=(config["sample_rate"], SAMPLE_RATE),
            hop=(network_config.hop_length, hop),
            codebook_size=(prod(network_config.vq_config["levels"]), size),
        )
        codec = L3AC(L3ACConfig.model_construct(network_config=network_config))
        for name, module in codec.network.trainable_modules.items():
            weights = self.file(f"{folder}/{name}.pt")
            load_into(module, load_tensors(weights), weights)
        codec.network.eval().to(self.device)
        return codec

    def _encode(self, wav: torch.Tensor, lengths: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        _, codes = self._model.encode_audio(wav)
        hop, _ = GEOMETRY[self.model]
        frames = (lengths + hop - 1) // hop
        return codes["indices"][:, None, : int(frames[0])], frames

    def _decode(self, codes: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:  # noqa: ARG002
        return self._model.decode_audio(indices=codes[:, 0])
