"""A small LLM-Codec checkpoint: names and shapes as upstream's classes gave them for narrow widths."""

import json
import runpy
from pathlib import Path

import numpy as np
import torch
from omegaconf import OmegaConf

HERE = Path(__file__).parents[1]


def weights(shapes):
    """Make the state dict from shapes; the last two codebooks are one table, as upstream's are."""
    state = runpy.run_path(str(HERE / "seeded.py"))["seeded_state"](shapes)
    books = "quantizer.quantizers.{}.codebook.weight".format
    state[books(2)] = state[books(1)]
    return {name: calm(name, tensor) for name, tensor in state.items()}


def calm(name, tensor):
    """Keep biases from drowning the sound and the output from its limits; the angles are no weights."""
    if name.endswith("inv_freq"):
        return 10_000 ** (-torch.arange(len(tensor)) / len(tensor))
    if name.endswith("weight_g") and name.startswith("decoder"):
        return tensor * 0.6
    return tensor / 10 if name.endswith("bias") else tensor


def write(tokenizer, folder):
    with np.load(HERE / "fixtures" / "llm_codec.npz") as fixture:
        state = weights(json.loads(str(fixture["shapes"])))
    settings = OmegaConf.create({"generator": {"name": "MSCodecLM", "config": {"vq_strides": [4, 2, 1]}}})
    optimizer = {"state": {0: {"exp_avg": torch.zeros(3)}}}
    training = {"codec_model": state, "optimizer_g": optimizer, "config": settings, "iteration": 5}
    torch.save(training, folder / tokenizer.files[0])
