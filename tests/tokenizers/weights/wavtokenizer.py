"""A small WavTokenizer checkpoint: names and shapes as upstream's classes gave them for narrow widths."""

import json
import runpy
from pathlib import Path

import numpy as np
import torch

HERE = Path(__file__).parents[1]


def write(tokenizer, folder):
    with np.load(HERE / "fixtures" / "wavtokenizer.npz") as fixture:
        shapes = json.loads(str(fixture[f"shapes_{tokenizer.frame_rate}"]))
    state = runpy.run_path(str(HERE / "seeded.py"))["seeded_state"](shapes)
    state["head.istft.window"] = torch.hann_window(96_000 // tokenizer.frame_rate)
    state["multiperioddisc.discriminators.0.conv_post.bias"] = torch.zeros(1)
    training = {"epoch": 1, "state_dict": state, "optimizer_states": [{"state": {0: torch.zeros(3)}}]}
    torch.save(training, folder / tokenizer.files[0])
