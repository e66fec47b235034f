from pathlib import Path

import torch
from transformers import Wav2Vec2Config, Wav2Vec2ForPreTraining

from benchmark.tokenizers.wav2vec2_vq import Wav2Vec2Vq


def write(tokenizer: Wav2Vec2Vq, folder: Path) -> None:
    config = Wav2Vec2Config(
        hidden_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=64,
        conv_dim=[16] * 7,
        num_conv_pos_embeddings=16,
        num_conv_pos_embedding_groups=2,
        feat_extract_norm="layer",
        do_stable_layer_norm=True,
        conv_bias=True,
        codevector_dim=16,
        proj_codevector_dim=16,
    )
    model = Wav2Vec2ForPreTraining(config)
    torch.save(model.state_dict(), folder / "pytorch_model.bin")
    config.save_pretrained(folder)
