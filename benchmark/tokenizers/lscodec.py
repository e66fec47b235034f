"""LSCodec (Guo et al. 2025, Interspeech): one code per frame, trained to hold content without the speaker."""

import ast
from dataclasses import dataclass, field
from functools import cached_property
from math import prod
from pathlib import Path
from typing import Any, ClassVar, Literal, Protocol, get_args

import torch
import yaml
from torch import nn

from benchmark.errors import UserError, unknown
from benchmark.storage.weights import load_into, load_tensors, renamed
from benchmark.tokenizers.base import NOT_IDENTITY, true_length
from benchmark.tokenizers.networks.lscodec import Encoder, receptive_field
from benchmark.tokenizers.pretrained import Pretrained
from benchmark.types import SAMPLE_RATE, TokenizerSpec

Hop = Literal[320, 640]
CODEBOOK_SIZES = {320: 300, 640: 1024}
CONFIG, WEIGHTS = "encoder_config.yml", "lscodec_encoder.pt"
RENAMED = {
    r"^quantizer\.groups\.0\.": "quantizer.",  # the format allows several groups, the models have one
    r"^quantizer\._codebook\.embed$": "quantizer.codebook",
}
"""Names in the published checkpoint, and their replacements in `Encoder`."""
UNUSED = ("quantizer._codebook.", "quantizer.project_out.")
"""Prefixes of renamed tensors that only training needs, ignored when loading."""
ACTIVATIONS = {"ReLU": nn.ReLU, "GELU": nn.GELU}
DECODING: dict[str, Any] = {
    "decode_needs_prompt": True,
    "output_rate": 24_000,
    "side_info": "WavLM-large's sixth layer over a recording, 50 × 1024 real numbers a second",
}
"""Facts of the decoder. Its side information is a sequence of features of any length, not a code."""


class PromptedDecoder(Protocol):
    """A decoder that takes the voice from a recording, as those in `benchmark.models.vocoder` do."""

    def identity(self) -> dict[str, Any]:
        """Return everything that the prompt's features depend on."""
        ...

    def features(self, wav: torch.Tensor) -> torch.Tensor:
        """Extract the features (S, D) of a prompt (1, T) at 16 kHz."""
        ...

    def load(self, folder: Path, hop_length: int, entries: int) -> nn.Module:
        """Load the network: codes (B, 1, T), lengths (B,) and B prompts' features to speech (B, T')."""
        ...


@dataclass(kw_only=True)
class LSCodec(Pretrained):
    """Codes of 300 entries at 50 Hz or of 1024 at 25 Hz, from convolutions over the waveform.

    The encoder does not pad, and its first code needs several frames of speech. An utterance therefore has
    up to three codes fewer than its length suggests. LSCodec's own decoder takes the voice from a prompt.

    Attributes:
        hop_length: Samples per code, fixed by the checkpoint: 320 or 640.
        decoder: Loads LSCodec's own decoder, a `benchmark.models.vocoder.lscodec.LSCodecDecoder`. None
            leaves decoding to the benchmark's vocoder.
    """

    uid: ClassVar[str] = "benchmark.tokenizers.lscodec.LSCodec"

    hop_length: Hop
    decoder: PromptedDecoder | None = field(default=None, metadata=NOT_IDENTITY)

    def __post_init__(self) -> None:
        if self.hop_length not in get_args(Hop):
            raise unknown(f"hop_length of {self.name}", self.hop_length, get_args(Hop))

    @property
    def spec(self) -> TokenizerSpec:
        """The specification. Group norm spans the whole utterance, so batches must be of equal length."""
        return self.make_spec(
            kind="acoustic-disentangled",
            sample_rate=SAMPLE_RATE,
            frame_rate=SAMPLE_RATE / self.hop_length,
            codebook_sizes=(CODEBOOK_SIZES[self.hop_length],),
            causal=False,
            can_decode=self.decoder is not None,
            supports_padding=False,
            frame_slack=1.92,  # nothing is padded: 1865 samples for the first frame of 640
            **({} if self.decoder is None else DECODING),
        )

    @cached_property
    def _config(self) -> dict[str, Any]:
        try:
            config = yaml.safe_load(self.file(CONFIG).read_text())
        except yaml.YAMLError as error:
            raise UserError(f"{self.name}: {CONFIG} cannot be read: {error}") from error
        quantizer = config["quantizer_params"]
        self.check(
            sampling_rate=(config["feature_extractor_params"].get("fs", SAMPLE_RATE), SAMPLE_RATE),
            quantizer=(config["have_quantizer"] and config["quantizer_class"], "KMeans"),
            codebooks=(quantizer["vq_groups"], 1),
            codebook_size=(quantizer["vq_size_each_group"], CODEBOOK_SIZES[self.hop_length]),
            samples_per_frame=(prod(stride for _, _, stride in self._stem(config)), self.hop_length),
        )
        return config

    def architecture(self) -> dict[str, Any]:
        """Translate the checkpoint's config file into the arguments of `Encoder`."""
        stem, context = self._config["feature_extractor_params"], self._config["feature_aggregator_params"]
        quantizer = self._config["quantizer_params"]
        return {
            "stem": self._stem(self._config),
            "stem_options": {
                "activation": self._activation(stem),
                "affine": not stem["non_affine_group_norm"],
                "skip": stem["skip_connections_feat"],
                "residual_scale": stem["residual_scale"],
                "log_compression": stem["log_compression"],
            },
            "context": self._layers(context["conv_feature_layers"]),
            "context_options": {
                "activation": self._activation(context),
                "affine": not context["non_affine_group_norm"],
                "skip": context["skip_connections"],
                "residual_scale": context["residual_scale"],
                "bias": context["conv_bias"],
                "zero_pad": context["zero_pad"],
            },
            "codebook_size": quantizer["vq_size_each_group"],
            "codebook_width": quantizer["vq_dim"],
        }

    @cached_property
    def _model(self) -> Encoder:
        path = self.file(WEIGHTS)
        with self.reading(path, "encoder of LSCodec"):
            state = load_tensors(path)["model"]["generator"]
        model = Encoder(**self.architecture())
        used = {n: tensor for n, tensor in renamed(state, RENAMED).items() if not n.startswith(UNUSED)}
        load_into(model, used, path)
        return model.to(self.device)

    def _stem(self, config: dict[str, Any]) -> list[tuple[int, int, int]]:
        return self._layers(config["feature_extractor_params"]["conv_feature_layers"])

    def _activation(self, part: dict[str, Any]) -> nn.Module:
        if part["activation"] not in ACTIVATIONS:
            raise UserError(f"{self.name}: activation {part['activation']!r} is not one of {[*ACTIVATIONS]}")
        return ACTIVATIONS[part["activation"]]()

    def _layers(self, text: str) -> list[tuple[int, int, int]]:
        """Parse layers written like "[(512, 10, 5)] + [(512, 4, 2)] * 3" into (width, kernel, stride) each.

        Raises: UserError if the text holds anything but lists, tuples, integers, + and *.
        """

        def value(node: ast.expr) -> Any:
            match node:
                case ast.Constant(value=int(number)):
                    return number
                case ast.List(elts=parts):
                    return [value(part) for part in parts]
                case ast.Tuple(elts=parts):
                    return tuple(value(part) for part in parts)
                case ast.BinOp(left=left, op=ast.Add(), right=right):
                    return value(left) + value(right)
                case ast.BinOp(left=left, op=ast.Mult(), right=right):
                    return value(left) * value(right)
            raise UserError(
                f"{self.name}: {CONFIG} describes its layers as {text!r}; "
                "expected a list of (width, kernel, stride), with + and *"
            )

        return value(ast.parse(text, mode="eval").body)

    def decoder_identity(self) -> dict[str, Any]:
        """See `Tokenizer.decoder_identity`."""
        return {} if self.decoder is None else self.decoder.identity()

    def codebook_vectors(self) -> torch.Tensor:
        """Return the codebook's entries, (1, 300 or 1024, 64)."""
        return self._model.quantizer.codebook[None].cpu()

    def _encode(self, wav: torch.Tensor, lengths: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        wav = true_length(wav, lengths, receptive_field(self._stem(self._config)))
        codes = self._model(wav)
        return codes[:, None], torch.full_like(lengths, codes.shape[1])

    @cached_property
    def _vocoder(self) -> nn.Module:
        return self._prompted.load(self.folder, self.hop_length, CODEBOOK_SIZES[self.hop_length]).to(
            self.device
        )

    @property
    def _prompted(self) -> PromptedDecoder:
        if self.decoder is None:
            raise TypeError(f"{self.name} was built without a decoder; use the benchmark's vocoder")
        return self.decoder

    def _side_info(self, wav: torch.Tensor) -> torch.Tensor:
        return self._prompted.features(wav)

    def _decode_with(
        self, codes: torch.Tensor, lengths: torch.Tensor, side_info: list[torch.Tensor]
    ) -> torch.Tensor:
        return self._vocoder(codes, lengths, side_info)
