from pathlib import Path

import torch
from transformers import MimiConfig, MimiModel

from benchmark.tokenizers.mimi import Mimi


def write(tokenizer: Mimi, folder: Path) -> None:
    config = MimiConfig(
        num_filters=4,
        hidden_size=32,
        vector_quantization_hidden_dimension=16,
        codebook_dim=16,
        upsample_groups=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=2,
        head_dim=16,
        intermediate_size=64,
    )
    model = MimiModel(config)
    for name, buffer in model.named_buffers():  # initialised to zeros, which would make all codes 0
        if name.endswith("embed_sum"):
            buffer.copy_(0.02 * torch.randn_like(buffer))
    model.save_pretrained(folder)
