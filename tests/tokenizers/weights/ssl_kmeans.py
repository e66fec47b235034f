from pathlib import Path

import torch
from safetensors.torch import load_file
from transformers import HubertConfig, HubertModel, Wav2Vec2Config, Wav2Vec2Model, WavLMConfig, WavLMModel

from benchmark.tokenizers.ssl_kmeans import SslKmeans

KINDS = {
    "hubert": (HubertConfig, HubertModel),
    "wavlm": (WavLMConfig, WavLMModel),
    "wav2vec2": (Wav2Vec2Config, Wav2Vec2Model),
}


def write(tokenizer: SslKmeans, folder: Path) -> None:
    configuration, model = KINDS[tokenizer.architecture]
    large = tokenizer.normalise
    config = configuration(
        hidden_size=32,
        num_hidden_layers=tokenizer.layer + 1,  # one more, so that the layer taken is not just the last
        num_attention_heads=2,
        intermediate_size=64,
        conv_dim=[16] * 7,
        num_conv_pos_embeddings=16,
        num_conv_pos_embedding_groups=2,
        feat_extract_norm="layer" if large else "group",
        do_stable_layer_norm=large,
        conv_bias=large,
        initializer_range=0.05,
    )
    model(config).save_pretrained(folder)
    # The published weights are pickled, and the yaml asks for that file.
    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
