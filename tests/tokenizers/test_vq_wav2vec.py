import runpy
from pathlib import Path
from typing import Any

import pytest
import torch

from benchmark.errors import UserError
from benchmark.tokenizers.vq_wav2vec import FILES, VqWav2Vec

WRITE = runpy.run_path(str(Path(__file__).with_name("weights") / "vq_wav2vec.py"))["write"]


def make(folder: Path, quantizer: Any = "kmeans") -> VqWav2Vec:
    tokenizer = VqWav2Vec(name="v", checkpoint=str(folder), quantizer=quantizer)
    torch.manual_seed(0)
    WRITE(tokenizer, folder)
    return tokenizer


def encode(tokenizer: VqWav2Vec, wav: torch.Tensor) -> torch.Tensor:
    return tokenizer.encode(wav[None], torch.tensor([len(wav)]))[0][0]


@pytest.mark.parametrize(
    ("samples", "of_the_encoder"), [(100, 1), (465, 1), (624, 1), (625, 2), (16_000, 98), (16_001, 98)]
)
def test_edges_repeat_the_encoders_first_and_last_frame(
    samples: int, of_the_encoder: int, tmp_path: Path, voice: Any
) -> None:
    tokenizer = make(tmp_path)
    wav = torch.from_numpy(voice(samples, 1))
    codes = encode(tokenizer, wav)
    inner = tokenizer._model(torch.nn.functional.pad(wav, (0, max(0, 465 - samples)))[None])[0]
    assert inner.shape == (2, of_the_encoder)
    frames = -(-samples // 160)
    place = (torch.arange(frames) - 1).clamp(0, of_the_encoder - 1)
    assert torch.equal(codes, inner[:, place])


@pytest.mark.parametrize("quantizer", FILES)
def test_codebook_vectors_are_those_of_both_groups(quantizer: str, tmp_path: Path) -> None:
    vectors = make(tmp_path, quantizer).codebook_vectors()
    assert vectors.shape == (2, 320, 16)
    assert torch.equal(vectors[0], vectors[1])  # this checkpoint's groups share theirs


def test_what_is_not_such_a_checkpoint_is_refused(tmp_path: Path, short_speech: list[torch.Tensor]) -> None:
    make(tmp_path, "gumbel")
    (tmp_path / FILES["gumbel"]).rename(tmp_path / FILES["kmeans"])
    tokenizer = VqWav2Vec(name="v", checkpoint=str(tmp_path))
    with pytest.raises(UserError, match="quantizer gumbel, where kmeans is expected"):
        encode(tokenizer, short_speech[0])
    torch.save({"args": {}, "model": {}}, tmp_path / FILES["kmeans"])
    with pytest.raises(UserError, match="s3prl converted from fairseq's"):
        encode(VqWav2Vec(name="v", checkpoint=str(tmp_path)), short_speech[0])
    with pytest.raises(UserError, match=r"unknown quantizer of v 'k-means'. Did you mean 'kmeans'\?"):
        VqWav2Vec(name="v", checkpoint=str(tmp_path), quantizer="k-means")  # type: ignore[arg-type]
