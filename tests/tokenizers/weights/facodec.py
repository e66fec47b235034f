"""A small FACodec checkpoint: names and shapes as upstream's classes gave them for narrow widths."""

import json
import runpy
from pathlib import Path

import numpy as np
import torch

HERE = Path(__file__).parents[1]


def write(tokenizer, folder):
    with np.load(HERE / "fixtures" / "facodec.npz") as fixture:
        parts = json.loads(str(fixture["shapes"]))
    seeded_state = runpy.run_path(str(HERE / "seeded.py"))["seeded_state"]
    for part, shapes in parts.items():
        state = {name: calm(name, tensor) for name, tensor in seeded_state(shapes).items()}
        torch.save(state, folder / f"ns3_facodec_{part}.bin")


def calm(name, tensor):
    """Scale the weights so that dozens of random convolutions and sines do not turn rounding into noise."""
    if name.endswith("alpha"):
        return tensor - 1  # a logarithm, which training starts at 0
    if name.endswith("weight_g") and name.startswith(("block.", "model.")):
        return tensor * (0.7 if name.startswith("block.") else 0.55)
    return tensor
