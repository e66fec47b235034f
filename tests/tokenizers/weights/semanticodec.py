"""A small SemantiCodec checkpoint: names and shapes as upstream's classes gave them for narrow widths."""

import json
import runpy
from pathlib import Path

import numpy as np
import torch

HERE = Path(__file__).parents[1]
ENTRIES = 32_768
seeded_state = runpy.run_path(str(HERE / "seeded.py"))["seeded_state"]


def centroids(width):
    """Make semantic centroids (ENTRIES, width) about as long as the features."""
    return width**0.5 * seeded_state({"centroids": (ENTRIES, width)})["centroids"]


def weights(shapes):
    """Make a state dict from shapes."""
    return {name: calm(name, tensor) for name, tensor in seeded_state(shapes).items()}


def calm(name, tensor):
    """Let patches differ by their sound more than by what random layers add to all of them alike."""
    if name == "scale_factor":
        return torch.tensor(0.5)
    if name.endswith("codebook.embed"):
        return 0.3 * tensor.shape[1] ** 0.5 * tensor * tensor.shape[2] ** 0.5
    if name.endswith("patch_embed.proj.weight"):
        return 4 * tensor
    if name.endswith(("attn.proj.weight", "mlp.fc2.weight")):
        return tensor / 3
    return tensor / 10 if "bias" in name else tensor


def write(tokenizer, folder):
    with np.load(HERE / "fixtures" / "semanticodec.npz") as fixture:
        shapes = {part: json.loads(str(fixture[part])) for part in ("encoder", "decoder")}
    width = shapes["encoder"]["quantizer._codebook.embed"][-1]
    for name, file in zip(("encoder", "centroids", "decoder"), tokenizer.files, strict=True):
        path = folder / file
        path.parent.mkdir(parents=True, exist_ok=True)
        if name == "centroids":
            np.save(path, centroids(width).numpy())
        else:
            torch.save(weights(shapes[name]), path)
    return {"steps": 1}
