"""Whisper's encoder against OpenAI's own package, padded to 30 s as that always does."""

from collections.abc import Callable
from typing import Any

import pytest
import torch

from benchmark.tokenizers.kmeans import quantize

whisper = pytest.importorskip("whisper")

RENAMED = {
    "layers.": "blocks.",
    "self_attn_layer_norm": "attn_ln",
    "self_attn.q_proj": "attn.query",
    "self_attn.k_proj": "attn.key",
    "self_attn.v_proj": "attn.value",
    "self_attn.out_proj": "attn.out",
    "final_layer_norm": "mlp_ln",
    "fc1": "mlp.0",
    "fc2": "mlp.2",
    "embed_positions.weight": "positional_embedding",
}


def peer_encoder(ours: Any) -> torch.nn.Module:
    """The peer's encoder with the weights of transformers' encoder `ours`."""
    from whisper.model import AudioEncoder

    config = ours.config
    encoder = AudioEncoder(
        config.num_mel_bins,
        config.max_source_positions,
        config.d_model,
        config.encoder_attention_heads,
        config.encoder_layers,
    )
    encoder.load_state_dict({renamed(name): tensor for name, tensor in ours.state_dict().items()})
    return encoder.eval()


def renamed(name: str) -> str:
    if name.startswith("layer_norm."):
        return name.replace("layer_norm", "ln_post")
    for ours, theirs in RENAMED.items():
        name = name.replace(ours, theirs)
    return name


@pytest.mark.parametrize("name", ["whisper_tiny_en", "whisper_large_v3"])
def test_the_same_features_and_codes(
    name: str, on_random_weights: Any, speech: list[torch.Tensor], same_codes: Callable[..., None], label: Any
) -> None:
    tokenizer = on_random_weights(name, window="30s", codebook_size=64)
    tokenizer.fit((wav.numpy() for wav in speech), seed=0)
    encoder = peer_encoder(tokenizer._encoder._encoder)
    pairs = []
    for wav in speech:
        codes, frames = tokenizer.encode(wav[None], torch.tensor([len(wav)]))
        count = int(frames[0])
        mel = whisper.log_mel_spectrogram(whisper.pad_or_trim(wav), tokenizer._encoder.n_mels)
        with torch.no_grad():
            theirs = encoder(mel[None])[0, :count]
            padded = torch.nn.functional.pad(wav, (0, -len(wav) % 320))
            ours = tokenizer.features(padded[None], torch.tensor([len(wav)]))[0][0]
        assert (ours - theirs).norm() < 1e-4 * theirs.norm()
        pairs.append((codes[0], quantize(theirs, tokenizer.codebook_vectors()).T))
    same_codes(
        name,
        label("openai-whisper"),
        pairs,
        tolerance=0.001,
        note="features at window=30s; both quantized by the same centroids",
    )
