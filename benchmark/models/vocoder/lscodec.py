"""LSCodec's own decoder (Guo et al., Interspeech 2025): the alpha form of CTX-vec2wav, at 24 kHz.

Its network is built from parts of the vocoders, but its weights lie in the checkpoint of the tokenizer
`lscodec`. The yaml of the tokenizer therefore provides it.
"""

from dataclasses import dataclass
from functools import cached_property
from math import prod
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
import yaml
from torch import nn
from torch.nn.utils.rnn import pad_sequence

from benchmark.errors import UserError
from benchmark.extractors.encoders.wavlm import WavLMLayer, load_wavlm
from benchmark.models.vocoder.attention import frame_mask
from benchmark.models.vocoder.config import FrontendConfig, HiFiGANConfig, PromptConfig
from benchmark.models.vocoder.frontend import Frontend, TokenVectors
from benchmark.models.vocoder.generator import HiFiGANGenerator
from benchmark.models.vocoder.mel import N_MELS
from benchmark.models.vocoder.prenet import build_prenet
from benchmark.models.vocoder.published import load_published
from benchmark.storage.checkpoints import resolve
from benchmark.storage.weights import load_tensors, weights_digest

CONFIG, CODEBOOK, WEIGHTS = "vocoder_config.yml", "codebook.npy", "lscodec_vocoder.pt"
RATE = 24_000
FRAME_RATE = 50
PRENETS: dict[str, Literal["stack", "single"]] = {"ConvPromptPrenet": "stack", "Conv1d": "single"}
FIXED: dict[str, tuple[Any, Any]] = {
    "sampling_rate": (None, RATE),
    "num_mels": (None, N_MELS),
    "generator_type": (None, "HiFiGANGenerator"),
    "frontend_params.conformer_params.normalize_before": (True, True),
    "frontend_params.conformer_params.concat_after": (False, False),
    "frontend_params.conformer_params.positionwise_layer_type": ("linear", "conv1d"),
    "frontend_params.conformer_params.macaron_style": (False, True),
    "frontend_params.conformer_params.pos_enc_layer_type": ("abs_pos", "rel_pos"),
    "frontend_params.conformer_params.selfattention_layer_type": ("selfattn", "rel_selfattn"),
    "frontend_params.conformer_params.activation_type": ("swish", "swish"),
    "frontend_params.conformer_params.use_cnn_module": (False, True),
    "generator_params.out_channels": (1, 1),
    "generator_params.kernel_size": (7, 7),
    "generator_params.use_additional_convs": (True, True),
    "generator_params.bias": (True, True),
    "generator_params.nonlinear_activation": ("LeakyReLU", "LeakyReLU"),
    "generator_params.nonlinear_activation_params": ({"negative_slope": 0.1},) * 2,
    "generator_params.use_weight_norm": (True, True),
}
"""Entries of the config file that allow no other value here: upstream's default for an absent entry, and the
value required."""


@dataclass(kw_only=True)
class LSCodecDecoder:
    """Loader of the decoder and of the encoder for its prompts.

    Attributes:
        checkpoint: WavLM-large in transformers' format, see `checkpoints.resolve`. Upstream asks for the same
            weights in its authors' format.
        revision: Commit of a hub id.
        layer: Layer of WavLM whose output gives the features of the prompt.
    """

    checkpoint: str = "microsoft/wavlm-large"
    revision: str | None = None
    layer: int = 6

    @cached_property
    def _wavlm(self) -> WavLMLayer:
        return load_wavlm(self.checkpoint, self.revision, self.layer)

    def identity(self) -> dict[str, Any]:
        """Return the layer and the weights that encode the prompt.

        Raises: UserError when the WavLM checkpoint cannot be found.
        """
        return {"layer": self.layer, "weights": weights_digest(resolve(self.checkpoint, self.revision))}

    def features(self, wav: torch.Tensor) -> torch.Tensor:
        """Encode a prompt (1, T) at 16 kHz into (S, 1024) features, 50 per second.

        Raises: UserError when the WavLM checkpoint cannot be loaded.
        """
        return self._wavlm(wav, torch.tensor([wav.shape[1]], device=wav.device))[0][0]

    def load(self, folder: Path, hop_length: int, entries: int) -> "AlphaDecoder":
        """Load the decoder in `folder`, for codes of `entries` entries, one per `hop_length` samples.

        Raises: UserError when the config belongs to another model, or the weights do not fit it.
        """
        try:
            config = yaml.safe_load((folder / CONFIG).read_text())
            shape = (1, entries, config["frontend_params"]["vqvec_channels"])
            network = AlphaDecoder(config, _codebook(folder / CODEBOOK, shape), hop_length)
        except yaml.YAMLError as error:
            raise UserError(f"{folder / CONFIG} cannot be read: {error}") from error
        except (KeyError, TypeError) as error:
            raise UserError(f"{folder / CONFIG} lacks {error}; is it of another model?") from error
        path = folder / WEIGHTS
        try:
            state = load_tensors(path)["model"]["generator"]
        except (KeyError, TypeError) as error:
            raise UserError(f"{path} holds no model.generator") from error
        try:
            load_published(network, state)
        except UserError as error:
            raise UserError(f"{path}: {error}") from error
        network.generator.finalise()
        return network.eval().requires_grad_(False)


class AlphaDecoder(nn.Module):
    """Frontend, prenet of the prompt and HiFi-GAN, with the sizes of a published config file."""

    def __init__(self, config: dict[str, Any], codebook: torch.Tensor, hop_length: int) -> None:
        """Build with random weights.

        Args:
            config: Content of the config file.
            codebook: (1, V, D) vectors behind the codes.
            hop_length: Samples per code at 16 kHz, 320 or 640.

        Raises:
            UserError: the config belongs to another model.
            KeyError: the config lacks an entry.
        """
        super().__init__()
        for path, (default, expected) in FIXED.items():
            if (found := _entry(config, path, default)) != expected:
                raise UserError(f"{CONFIG} has {path} {found!r}, where {expected!r} is expected")
        if config["prompt_net_type"] not in PRENETS:
            raise UserError(
                f"{CONFIG} has prompt_net_type {config['prompt_net_type']!r}; known: {[*PRENETS]}"
            )
        self.repeats = 2 if config.get("repeat_input_tokens", False) else 1
        if self.repeats * 16_000 != FRAME_RATE * hop_length:
            raise UserError(
                f"{CONFIG} repeats codes {self.repeats} times, which does not take one per {hop_length} "
                f"samples to {FRAME_RATE} Hz; is it the checkpoint of the other rate?"
            )
        sizes, conformer = config["frontend_params"], config["frontend_params"]["conformer_params"]
        frontend = FrontendConfig(
            dim=conformer["attention_dim"],
            heads=conformer["attention_heads"],
            feed_forward=conformer["linear_units"],
            feed_forward_kernel=conformer["positionwise_conv_kernel_size"],
            conv_kernel=conformer.get("cnn_module_kernel", 31),
            blocks=(conformer["num_blocks"],) * 2,
        )
        tokens = TokenVectors([codebook.shape[1]], 1, codebook)
        self.frontend = Frontend(frontend, tokens)
        prompt = PromptConfig(prenet=PRENETS[config["prompt_net_type"]])
        self.prenet = build_prenet(prompt, sizes["prompt_channels"], frontend.dim)
        self.generator = _generator(config["generator_params"], frontend.dim)

    def forward(
        self, codes: torch.Tensor, lengths: torch.Tensor, prompts: list[torch.Tensor]
    ) -> torch.Tensor:
        """Decode codes to waveforms.

        Args:
            codes: (B, 1, T).
            lengths: (B,) codes.
            prompts: Features (S, 1024) of each prompt, see `LSCodecDecoder.features`.

        Returns:
            (B, T * 24 kHz / code rate) samples at 24 kHz.
        """
        codes, lengths = codes.repeat_interleave(self.repeats, dim=2), lengths * self.repeats
        frames = torch.tensor([len(prompt) for prompt in prompts], device=codes.device)
        prompt = pad_sequence(prompts, batch_first=True)
        prompt_mask, mask = frame_mask(frames, prompt.shape[1]), frame_mask(lengths, codes.shape[2])
        hidden = self.frontend(codes, lengths, self.prenet(prompt, prompt_mask), prompt_mask)[0]
        return self.generator(hidden.transpose(1, 2), mask)


def _generator(sizes: dict[str, Any], dim: int) -> HiFiGANGenerator:
    scales, kernels = tuple(sizes["upsample_scales"]), list(sizes["upsample_kernel_sizes"])
    dilations = [tuple(dilation) for dilation in sizes["resblock_dilations"]]
    hop = RATE // FRAME_RATE
    if prod(scales) != hop or kernels != [2 * scale for scale in scales]:
        raise UserError(f"{CONFIG} has upsampling {scales} by kernels {kernels}, which do not make {hop}")
    if len(set(dilations)) != 1 or sizes["in_channels"] != dim:
        raise UserError(f"{CONFIG} has resblock_dilations {dilations}, in_channels {sizes['in_channels']}")
    config = HiFiGANConfig(
        channels=sizes["channels"],
        scales_50hz=scales,
        resblock_kernels=tuple(sizes["resblock_kernel_sizes"]),
        dilations=dilations[0],
    )
    return HiFiGANGenerator(config, dim, hop)


def _codebook(path: Path, shape: tuple[int, ...]) -> torch.Tensor:
    """Read the (1, V, D) codebook from a file, which may hold (V, D)."""
    try:
        codebook = torch.from_numpy(np.load(path, allow_pickle=False)).float()
    except (OSError, ValueError) as error:
        raise UserError(f"{path} cannot be read: {error}") from error
    if tuple(codebook.shape) not in (shape, shape[1:]):
        raise UserError(f"{path} has the shape {tuple(codebook.shape)}, where {shape} is expected")
    return codebook.reshape(shape)


def _entry(config: dict[str, Any], path: str, default: Any) -> Any:
    """Return the entry at a dotted path, or `default` if it is absent."""
    for key in path.split("."):
        if not isinstance(config, dict) or key not in config:
            return default
        config = config[key]
    return config
