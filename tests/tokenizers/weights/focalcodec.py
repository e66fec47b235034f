"""A FocalCodec checkpoint in miniature: names and file format of the published ones, narrow and shallow."""

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from benchmark.tokenizers.focalcodec import Model
from benchmark.tokenizers.pretrained import Pretrained

BLOCKS = {
    "focal_window": 7,
    "focal_level": 2,
    "focal_factor": 2,
    "dropout": 0.0,
    "use_post_norm": False,
    "use_layerscale": False,
    "layerscale_init": 0.0001,
    "normalize_modulator": False,
}
FACTORS = {320: [1, 1, 1], 640: [2, 1, 1], 1280: [2, 2, 1]}


def config(hop_length: int, width: int = 32) -> dict[str, Any]:
    """Make the published config.json with widths 1024, 512 and 256 replaced by `width` and parts of it."""
    widths = [width, width // 2, width // 4]
    factors = FACTORS[hop_length]
    return {
        "encoder_name": "WavLM",
        "encoder_config": {
            "hidden_dims": [width // 2] * 7,
            "kernel_sizes": [10, 3, 3, 3, 3, 2, 2],
            "strides": [5, 2, 2, 2, 2, 2, 2],
            "num_layers": 2,
            "dim": width,
            "ffn_dim": 2 * width,
            "num_heads": 4,
            "num_buckets": 320,
            "max_distance": 800,
            "dropout": 0.0,
            "conv_pos": 128,
            "conv_pos_groups": 4,
        },
        "compressor_name": "FocalEncoder",
        "compressor_config": {
            "input_dim": width,
            "output_dim": 13,
            "hidden_dims": widths,
            "downscale_factors": factors,
            **BLOCKS,
        },
        "quantizer_name": "BinarySphericalQuantizer",
        "quantizer_config": {"codebook_size": 8192},
        "decompressor_name": "FocalDecoder",
        "decompressor_config": {
            "input_dim": 13,
            "output_dim": width,
            "hidden_dims": widths[::-1],
            "upscale_factors": factors[::-1],
            **BLOCKS,
        },
        "decoder_name": "Vocos",
        "decoder_config": {
            "input_channels": width,
            "num_layers": 2,
            "dim": width // 2,
            "ffn_dim": width,
            "kernel_size": 7,
            "padding": 3,
            "layerscale_init": None,
            "n_fft": 1024,
            "hop_length": 320,
        },
    }


def shapes(facts: dict[str, Any]) -> dict[str, torch.Size]:
    """Return names and shapes of every tensor in a published checkpoint of this geometry."""
    width = facts["encoder_config"]["dim"]
    unused = {f"encoder.encoder.norm.{name}": torch.Size([width]) for name in ("weight", "bias")}
    return {name: tensor.shape for name, tensor in Model(facts).state_dict().items()} | unused


def put(folder: Path, facts: dict[str, Any], state: dict[str, torch.Tensor]) -> None:
    """Write the checkpoint's two files."""
    (folder / "config.json").write_text(json.dumps(facts))
    save_file(state, folder / "model.safetensors")


def centred(facts: dict[str, Any], state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Return the state with a bias that puts the medians of the latents at zero, so that all signs occur."""
    model = Model(facts)
    model.load_state_dict({name: state[name] for name in model.state_dict()})
    with torch.no_grad():
        noise = torch.randn(16_000) * torch.linspace(-4, 4, 16_000).sin()
        latents = model.compressor(model.encoder(0.1 * noise[None]))[0]
    bias = "compressor.out_proj.bias"
    return state | {bias: state[bias] - latents.median(0).values}


def write(tokenizer: Pretrained, folder: Path) -> None:
    facts = config(tokenizer.hop_length)
    state = {name: torch.randn(shape) / shape[-1] ** 0.5 for name, shape in shapes(facts).items()}
    put(folder, facts, centred(facts, state))
