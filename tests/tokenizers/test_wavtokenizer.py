import runpy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmark.errors import UserError
from benchmark.tokenizers.wavtokenizer import WavTokenizer

HERE = Path(__file__).parent
UPSTREAM = "jishengpeng/WavTokenizer @ 5cf440d"


def with_weights(folder: Path, rate: int) -> WavTokenizer:
    tokenizer = WavTokenizer(
        name=f"wavtokenizer_{rate}",
        checkpoint=str(folder),
        files=["model.ckpt"],
        frame_rate=rate,  # type: ignore[arg-type]
    )
    runpy.run_path(str(HERE / "weights" / "wavtokenizer.py"))["write"](tokenizer, folder)
    return tokenizer


@pytest.mark.parametrize("rate", [75, 40])
def test_codes_and_audio_are_upstreams(tmp_path: Path, short_speech, same_codes, rate: int) -> None:
    """Compare on the same random weights, at narrow widths.

    The third piece, 44 ms, is shorter than some convolutions mirror; the second ends within a frame. Every
    seventh sample of the audio is stored."""
    tokenizer = with_weights(tmp_path, rate)
    pieces = [*short_speech, short_speech[0][4000:4700]]
    encoded = [tokenizer.encode(wav[None], torch.tensor([len(wav)])) for wav in pieces]
    with np.load(HERE / "fixtures" / "wavtokenizer.npz") as fixture:
        theirs = [torch.from_numpy(fixture[f"codes_{rate}_{n}"].astype(np.int64)) for n in range(3)]
        audio = [torch.from_numpy(fixture[f"audio_{rate}_{n}"]) for n in range(3)]
    same_codes(
        f"wavtokenizer_small_{rate}",
        UPSTREAM,
        zip([codes[0] for codes, _ in encoded], theirs, strict=True),
        note="seeded random weights, narrow; large variants are the same network",
    )
    for (codes, frames), expected in zip(encoded, audio, strict=True):
        with torch.no_grad():
            decoded = tokenizer._decode(codes, frames)[0, ::7]
        torch.testing.assert_close(decoded, expected, atol=1e-5, rtol=0)


def test_the_codebook_is_given_to_consumers(tmp_path: Path) -> None:
    vectors = with_weights(tmp_path, 75).codebook_vectors()
    assert vectors.shape[:2] == (1, 4096)
    assert vectors.std() > 0


def test_a_checkpoint_of_the_other_rate_is_refused(tmp_path: Path) -> None:
    tokenizer = replace(with_weights(tmp_path, 75), frame_rate=40)
    with pytest.raises(UserError, match="hop 320, where 600"):
        tokenizer.codebook_vectors()


def test_another_models_checkpoint_is_refused(tmp_path: Path) -> None:
    tokenizer = with_weights(tmp_path, 75)
    for content, missing in (({"model": {}}, "state_dict"), ({"state_dict": {}}, "encoder")):
        torch.save(content, tmp_path / "model.ckpt")
        with pytest.raises(UserError, match=f"no WavTokenizer checkpoint; it lacks .*{missing}"):
            replace(tokenizer).codebook_vectors()


def test_arguments_are_checked() -> None:
    with pytest.raises(UserError, match="frame_rate of w 50"):
        WavTokenizer(name="w", checkpoint="c", files=["f"], frame_rate=50)  # type: ignore[arg-type]
    with pytest.raises(UserError, match="one checkpoint"):
        WavTokenizer(name="w", checkpoint="c", frame_rate=75)
