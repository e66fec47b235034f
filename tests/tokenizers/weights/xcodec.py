from pathlib import Path

import torch
from transformers import DacConfig, HubertConfig, XcodecConfig, XcodecModel

from benchmark.tokenizers.xcodec import Xcodec


def write(tokenizer: Xcodec, folder: Path) -> None:
    config = XcodecConfig(
        acoustic_model_config=DacConfig(
            encoder_hidden_size=4,
            decoder_hidden_size=64,
            hidden_size=16,
            downsampling_ratios=[8, 5, 4, 2],
            upsampling_ratios=[8, 5, 4, 2],
        ).to_dict(),
        semantic_model_config=HubertConfig(
            hidden_size=32,
            num_hidden_layers=2,
            num_attention_heads=2,
            intermediate_size=64,
            conv_dim=[16] * 7,
            num_conv_pos_embeddings=16,
            num_conv_pos_embedding_groups=2,
        ).to_dict(),
        codebook_dim=48,
    )
    model = XcodecModel(config)
    with torch.no_grad():
        for level, book in enumerate(model.quantizer.quantizers):  # initialised to zeros
            book.codebook.embed.normal_().mul_(0.7**level)
        for layer in (model.fc, *model.encoder_semantic.modules()):
            if isinstance(layer, torch.nn.Linear | torch.nn.Conv1d):
                layer.weight.normal_(std=layer.weight[0].numel() ** -0.5)
    model.save_pretrained(folder)
