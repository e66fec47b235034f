"""Whisper's encoder against OpenAI's own package, which always pads to 30 s."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from benchmark.tokenizers.whisper_kmeans import WhisperKmeans

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
    """Build the peer's encoder with the weights of transformers' encoder `ours`."""
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
    note = "features at window=30s; both quantized by the same centroids"
    same_codes(name, label("openai-whisper"), codes_of_both(tokenizer, speech), tolerance=0.001, note=note)


def test_the_same_features_and_codes_with_published_weights(
    shared: Path, speech: list[torch.Tensor], same_codes: Callable[..., None], label: Any
) -> None:
    snapshots = sorted((shared / "hub" / "models--openai--whisper-tiny.en" / "snapshots").glob("*"))
    if not snapshots:
        pytest.skip("Whisper tiny.en is not in the shared hub cache")
    tokenizer = WhisperKmeans(name="w", checkpoint=str(snapshots[0]), window="30s", codebook_size=64)
    note = "published weights; features at window=30s; both quantized by the same centroids"
    pairs = codes_of_both(tokenizer, speech[:4])
    same_codes("whisper_tiny_en", label("openai-whisper"), pairs, tolerance=0.005, note=note)


def codes_of_both(
    tokenizer: WhisperKmeans, speech: list[torch.Tensor]
) -> list[tuple[torch.Tensor, torch.Tensor]]:
    tokenizer = tokenizer.fit((wav.numpy() for wav in speech), seed=0)
    encoder = peer_encoder(tokenizer._features._encoder._encoder)
    pairs = []
    for wav in speech:
        codes, frames = tokenizer.encode(wav[None], torch.tensor([len(wav)]))
        mel = whisper.log_mel_spectrogram(whisper.pad_or_trim(wav), tokenizer._features._encoder.n_mels)
        with torch.no_grad():
            theirs = encoder(mel[None])[0, : int(frames[0])]
            padded = torch.nn.functional.pad(wav, (0, -len(wav) % 320))
            ours = tokenizer.features(padded[None], torch.tensor([len(wav)]))[0][0]
        assert (ours - theirs).norm() < 1e-4 * theirs.norm()
        pairs.append((codes[0], tokenizer.codes_of(theirs[None])[0]))
    return pairs
