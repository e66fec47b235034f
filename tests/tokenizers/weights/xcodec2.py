from pathlib import Path

import torch
from transformers import NeuCodecConfig, NeuCodecModel, Wav2Vec2BertConfig, Xcodec2Config, Xcodec2Model

from benchmark.tokenizers.xcodec2 import NeuCodec, Xcodec2


def write(tokenizer: Xcodec2, folder: Path) -> None:
    kinds = (
        (NeuCodecConfig, NeuCodecModel) if isinstance(tokenizer, NeuCodec) else (Xcodec2Config, Xcodec2Model)
    )
    config = kinds[0](
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=2,
        head_dim=16,
        encoder_hidden_size=4,
        quantization_dim=64,
        semantic_model_config=Wav2Vec2BertConfig(
            hidden_size=32,
            num_hidden_layers=2,
            num_attention_heads=2,
            intermediate_size=64,
            output_hidden_size=32,
        ).to_dict(),
    )
    model = kinds[1](config)
    with torch.no_grad():  # as initialised, hardly any sound passes and all codes are equal
        for part in (model.acoustic_encoder, model.fc_encoder, model.quantizer.project_in):
            for parameter in part.parameters():
                if parameter.ndim > 1 and parameter[0].numel() > 1:
                    parameter.normal_(std=2 * parameter[0].numel() ** -0.5)
    model.save_pretrained(folder)
