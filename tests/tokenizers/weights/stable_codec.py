"""A small Stable-Codec checkpoint: names and shapes as upstream's classes gave them for narrow widths."""

import json
import runpy
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file

HERE = Path(__file__).parents[1]
PLAIN = {
    "channels": 128,
    "c_mults": [1, 2],
    "strides": [1, 2],
    "transformer_depths": [1, 2],
    "sliding_window": [7, 8],
}
RICH = {
    "channels": 64,
    "c_mults": [2, 2],
    "strides": [2, 1],
    "transformer_depths": [1, 1],
    "sliding_window": [5, -1],
    "use_snake": True,
    "use_dilated_conv": True,
    "conformer": True,
    "layer_scale": False,
}
OPTIONS = {"plain": PLAIN, "rich": RICH}
"""Two sets of the options of the published classes; each option has another value in one of them."""


def config(options):
    """Make the config file, with the rates of the published model."""
    shared = {"latent_dim": 6, **options}
    return {
        "model_type": "autoencoder",
        "sample_rate": 16_000,
        "model": {
            "encoder": {"type": "taae", "config": {"in_channels": 320, **shared}},
            "decoder": {"type": "taae", "config": {"out_channels": 320, **shared}},
            "bottleneck": {"type": "dithered_fsq", "config": {"dim": 6, "levels": 17}},
            "pretransform": {"type": "patched", "config": {"channels": 1, "patch_size": 320}},
            "latent_dim": 6,
            "downsampling_ratio": 640,
            "io_channels": 1,
        },
        "training": {},
    }


def write(tokenizer, folder, options="plain"):
    with np.load(HERE / "fixtures" / "stable_codec.npz") as fixture:
        shapes = json.loads(str(fixture[f"shapes_{options}"]))
    seeded_state = runpy.run_path(str(HERE / "seeded.py"))["seeded_state"]
    state = {name: spread(name, tensor, options) for name, tensor in seeded_state(shapes).items()}
    facts, weights = (folder / name for name in tokenizer.files)
    facts.write_text(json.dumps(config(OPTIONS[options])))
    if weights.suffix == ".safetensors":
        save_file(state, weights)
    else:
        torch.save({"state_dict": state}, weights)


def spread(name, tensor, options):
    """Scale the weights so that all branches count, latents reach all levels and rounding stays small."""
    if name.endswith("_scale.scale"):
        return tensor + 0.5
    if name.endswith(".alpha"):
        return tensor - 1  # a logarithm, which training starts at 0
    if name.endswith("weight_g") and name.count("layers.") == 3:
        return 0.4 * tensor  # of residual units
    if name.startswith("encoder.") and name.endswith("weight_g") and len(tensor) == 6:
        return {"plain": 1.5, "rich": 0.4}[options] * tensor
    return tensor
