import json
from pathlib import Path

import torch
from speechtokenizer import SpeechTokenizer as Model

from benchmark.tokenizers.speechtokenizer import FOLDER, SpeechTokenizer

CONFIG = {
    "n_filters": 4,
    "strides": [8, 5, 4, 2],
    "dimension": 32,
    "semantic_dimension": 16,
    "bidirectional": True,
    "dilation_base": 2,
    "residual_kernel_size": 3,
    "n_residual_layers": 1,
    "lstm_layers": 2,
    "activation": "ELU",
    "sampling_rate": 16_000,
    "sample_rate": 16_000,
    "codebook_size": 1024,
    "n_q": 8,
}


def write(tokenizer: SpeechTokenizer, folder: Path) -> None:
    state = Model(CONFIG).state_dict()
    for name in state:
        if name.endswith(".inited"):
            state[name].fill_(1.0)  # else a forward pass fits the codebooks to its first input
        elif name.endswith("embed"):
            state[name].normal_(std=0.05)
        elif name.startswith("encoder") and name.endswith("bias"):
            state[name].zero_()
        elif name.startswith("encoder") and name.endswith("weight_g"):
            state[name] *= 2.0
    (folder / FOLDER).mkdir(exist_ok=True)
    torch.save(state, folder / FOLDER / "SpeechTokenizer.pt")
    (folder / FOLDER / "config.json").write_text(json.dumps(CONFIG))
