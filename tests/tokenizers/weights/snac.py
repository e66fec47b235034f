import json
from pathlib import Path

import torch
from snac import SNAC

from benchmark.tokenizers.snac import Snac

CONFIG = {
    "sampling_rate": 24_000,
    "encoder_dim": 4,
    "encoder_rates": [2, 4, 8, 8],
    "decoder_dim": 64,
    "decoder_rates": [8, 8, 4, 2],
    "attn_window_size": None,
    "codebook_size": 4096,
    "codebook_dim": 8,
    "vq_strides": [4, 2, 1],
    "noise": True,
    "depthwise": True,
}


def write(tokenizer: Snac, folder: Path) -> None:
    model = SNAC(**CONFIG)
    for name, parameter in model.encoder.named_parameters():
        if name.endswith("bias"):
            parameter.data.zero_()  # else they drown the signal, and all frames look the same
    for book in model.quantizer.quantizers:
        book.in_proj.bias.data.zero_()
    torch.save(model.state_dict(), folder / "pytorch_model.bin")
    (folder / "config.json").write_text(json.dumps(CONFIG))
