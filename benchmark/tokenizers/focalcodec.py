"""FocalCodec (Della Libera et al. 2025): one binary code per frame, computed from WavLM features."""

import json
from dataclasses import dataclass
from functools import cached_property
from inspect import signature
from math import log2, prod
from typing import Any, ClassVar, Literal, get_args

import torch
from torch import nn

from benchmark.errors import unknown
from benchmark.storage.weights import load_into, load_tensors
from benchmark.tokenizers.networks.focalcodec import Compressor, Decompressor, Vocos
from benchmark.tokenizers.networks.wavlm import WavLM
from benchmark.tokenizers.pretrained import Pretrained
from benchmark.types import SAMPLE_RATE, TokenizerSpec

CODEBOOK_SIZE = 8192
UNUSED = ("encoder.encoder.norm.", "quantizer.")
"""Prefixes of tensors that the codec does not read: the norm of WavLM's output and the powers of two."""
SWITCHES = ("use_post_norm", "use_layerscale", "normalize_modulator", "causal")
"""Options of the blocks that the published non-causal models leave off."""

Hop = Literal[320, 640, 1280]


class Model(nn.Module):
    """The parts of a codec, as a published config.json describes them."""

    def __init__(self, config: dict[str, dict[str, Any]]) -> None:
        super().__init__()
        encoder, quantizer, decoder = (config[f"{n}_config"] for n in ("encoder", "quantizer", "decoder"))
        self.encoder = WavLM(**{key: encoder[key] for key in signature(WavLM).parameters})
        self.bits = round(log2(quantizer["codebook_size"]))
        down, up = config["compressor_config"], config["decompressor_config"]
        self.compressor = Compressor(
            encoder["dim"], self.bits, down["hidden_dims"], down["downscale_factors"], _kernels(down)
        )
        self.decompressor = Decompressor(
            self.bits, encoder["dim"], up["hidden_dims"], up["upscale_factors"], _kernels(up)
        )
        self.decoder = Vocos(
            inputs=encoder["dim"],
            width=decoder["dim"],
            inner=decoder["ffn_dim"],
            layers=decoder["num_layers"],
            kernel=decoder["kernel_size"],
            n_fft=decoder["n_fft"],
            hop=decoder["hop_length"],
        )


def _kernels(config: dict[str, Any]) -> list[int]:
    """Return the widths of a block's depthwise convolutions."""
    return [config["focal_window"] + k * config["focal_factor"] for k in range(config["focal_level"])]


@dataclass(kw_only=True)
class FocalCodec(Pretrained):
    """One code of 13 bits (8192 entries) at 50, 25 or 12.5 Hz; each bit is the sign of a latent dimension.

    Attributes:
        hop_length: Samples per code, fixed by the checkpoint: 320, 640 or 1280.
    """

    uid: ClassVar[str] = "benchmark.tokenizers.focalcodec.FocalCodec"

    hop_length: Hop

    def __post_init__(self) -> None:
        if self.hop_length not in get_args(Hop):
            raise unknown(f"hop_length of {self.name}", self.hop_length, get_args(Hop))

    @property
    def spec(self) -> TokenizerSpec:
        """The specification. Attention and the mean over time see padding, so batches are of equal length."""
        return self.make_spec(
            kind="acoustic-semantic",
            sample_rate=SAMPLE_RATE,
            frame_rate=SAMPLE_RATE / self.hop_length,
            codebook_sizes=(CODEBOOK_SIZE,),
            causal=False,
            can_decode=True,
            supports_padding=False,
            frame_slack=0.25,  # WavLM's stem pads nothing: 400 samples for the first frame of 320
        )

    @cached_property
    def _model(self) -> Model:
        with self.reading(self.checkpoint, "FocalCodec"):
            config = json.loads(self.file("config.json").read_text())
            encoder, down = config["encoder_config"], config["compressor_config"]
            up, decoder = config["decompressor_config"], config["decoder_config"]
            switched = [name for part in (encoder, down, up, decoder) for name in SWITCHES if part.get(name)]
            hop = prod(encoder["strides"]) * prod(down["downscale_factors"])
            self.check(
                decoder=(config["decoder_name"], "Vocos"),
                switches=(switched, []),
                codebook_size=(config["quantizer_config"]["codebook_size"], CODEBOOK_SIZE),
                samples_per_frame=(hop, self.hop_length),
                samples_per_decoded_frame=(decoder["hop_length"] * prod(up["upscale_factors"]), hop),
            )
            model = Model(config)
        path = self.file("model.safetensors")
        state = {k: v for k, v in load_tensors(path).items() if not k.startswith(UNUSED)}
        load_into(model, state, path)
        return model.to(self.device)

    def codebook_vectors(self) -> torch.Tensor:
        """Return the code vectors, (1, 8192, 13): ±1/√13, the corners of a cube on the unit sphere."""
        return self._corners(torch.arange(CODEBOOK_SIZE))[None]

    def _encode(self, wav: torch.Tensor, lengths: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        features = self._model.encoder(wav[:, : int(lengths[0])])  # unpadded, as in the reference code
        signs = self._model.compressor(features) > 0
        codes = (signs * self._powers(wav.device)).sum(-1)
        return codes[:, None], torch.full_like(lengths, codes.shape[1])

    def _decode(self, codes: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        corners = self._corners(codes[:, 0, : int(lengths.max())])
        return self._model.decoder(self._model.decompressor(corners))

    def _corners(self, codes: torch.Tensor) -> torch.Tensor:
        """Map codes (…) to points on the unit sphere (…, 13)."""
        powers = self._powers(codes.device)
        signs = (codes[..., None] // powers) % 2 * 2 - 1
        return signs / len(powers) ** 0.5

    def _powers(self, device: torch.device) -> torch.Tensor:
        """Return the powers of two that the dimensions' signs stand for; the first is the largest."""
        return 2 ** torch.arange(round(log2(CODEBOOK_SIZE)) - 1, -1, -1, device=device)
