import json
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch.nn.functional import normalize
from transformers import WhisperFeatureExtractor

from benchmark.tokenizers.glm4_voice import CODEBOOK_SIZE, Glm4Voice
from benchmark.tokenizers.networks.glm4_voice import BlockCausalEncoder

CONFIG = {
    "d_model": 32,
    "encoder_attention_heads": 2,
    "encoder_ffn_dim": 64,
    "encoder_layers": 4,
    "num_mel_bins": 128,
    "max_source_positions": 1500,
    "encoder_causal_attention": False,
    "encoder_causal_convolution": True,
    "pooling_kernel_size": 4,
    "pooling_position": 2,
    "pooling_type": "avg",
    "quantize_causal_block_size": 200,
    "quantize_causal_encoder": False,
    "quantize_encoder_only": True,
    "quantize_position": 2,
    "quantize_vocab_size": CODEBOOK_SIZE,
}


def write(tokenizer: Glm4Voice, folder: Path) -> None:
    encoder = BlockCausalEncoder(CONFIG).requires_grad_(False)
    encoder.conv1.weight *= 5  # else every frame looks alike
    mel = torch.randn(1, 128, 160).cumsum(2) / 8 - 0.5
    vectors = encoder(mel, torch.tensor([80]))[0]
    away = normalize(torch.randn(CODEBOOK_SIZE, CONFIG["d_model"]))
    encoder.codebook.weight.copy_(vectors.mean(0) + vectors.std() * CONFIG["d_model"] ** 0.5 * away)
    state = encoder.state_dict()
    for name in ("ema_weight", "embed_positions2.weight"):
        state[name] = torch.randn(375, CONFIG["d_model"])
    save_file({**state, "ema_count": torch.ones(CODEBOOK_SIZE)}, folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps(CONFIG))
    WhisperFeatureExtractor(feature_size=CONFIG["num_mel_bins"]).save_pretrained(folder)
