"""A small BigVGAN checkpoint: names and shapes as upstream's classes gave them for a twelfth of the width."""

import json
import runpy
from pathlib import Path

import numpy as np
import torch

HERE = Path(__file__).parents[1]
CONFIG = {
    "resblock": "1",
    "upsample_rates": [4, 4, 2, 2, 2, 2],
    "upsample_kernel_sizes": [8, 8, 4, 4, 4, 4],
    "upsample_initial_channel": 128,
    "resblock_kernel_sizes": [3, 7, 11],
    "resblock_dilation_sizes": [[1, 3, 5], [1, 3, 5], [1, 3, 5]],
    "use_tanh_at_final": False,
    "use_bias_at_final": False,
    "activation": "snakebeta",
    "snake_logscale": True,
    "num_mels": 100,
    "n_fft": 1024,
    "hop_size": 256,
    "win_size": 1024,
    "sampling_rate": 24_000,
    "fmin": 0,
    "fmax": None,
}
"""The published config file, without settings of the training, and with 128 channels in place of 1536."""


def write(tokenizer, folder):
    with np.load(HERE / "fixtures" / "mel_bigvgan.npz") as fixture:
        shapes = json.loads(str(fixture["shapes"]))
    state = calm(runpy.run_path(str(HERE / "seeded.py"))["seeded_state"](shapes))
    state["activation_post.upsample.filter"] = torch.zeros(1, 1, 12)
    (folder / "config.json").write_text(json.dumps(CONFIG))
    torch.save({"generator": state}, folder / "bigvgan_generator.pt")


def calm(state):
    """Scale the weights so that dozens of random convolutions and sines do not turn rounding into noise."""
    for name, tensor in state.items():
        if name.endswith("alpha"):
            tensor -= 1  # a logarithm, which training starts at 0
        if name.endswith("weight_g"):
            tensor *= 0.7 if name.startswith("resblocks") else 0.6
    return state
