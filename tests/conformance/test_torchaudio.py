"""The encoders under k-means against torchaudio's own HuBERT, WavLM and wav2vec 2.0."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torchaudio.models.wav2vec2.utils import import_huggingface_model

from benchmark.tokenizers.kmeans import quantize

NAMES = [
    "contentvec_l12",
    "distilhubert",
    "hubert_base_l9",
    "hubert_large_l24",
    "wav2vec2_large_l14",
    "wavlm_base_plus_l9",
    "wavlm_large_l6",
    "wavlm_large_l24",
]


@pytest.mark.parametrize("name", NAMES)
def test_the_same_features_and_codes(
    name: str, on_random_weights: Any, speech: list[torch.Tensor], same_codes: Callable[..., None], label: Any
) -> None:
    tokenizer = on_random_weights(name, codebook_size=64)
    assert not tokenizer.normed
    tokenizer = tokenizer.fit((wav.numpy() for wav in speech), seed=0)
    original = import_huggingface_model(tokenizer._model).eval()
    pairs = []
    for wav in speech:
        codes, frames = tokenizer.encode(wav[None], torch.tensor([len(wav)]))
        scaled = torch.nn.functional.layer_norm(wav, wav.shape) if tokenizer.normalise else wav
        with torch.no_grad():
            theirs = original.extract_features(scaled[None])[0][tokenizer.layer - 1][0]
            ours = tokenizer.features(wav[None], torch.tensor([len(wav)]))[0][0]
        assert (ours - theirs).norm() < 1e-3 * theirs.norm()
        pairs.append((codes[0, :, : int(frames[0])], quantize(theirs, tokenizer.codebook_vectors()).T))
    same_codes(
        name,
        label("torchaudio"),
        pairs,
        tolerance=0.001,
        note="features; both quantized by the same centroids",
    )
