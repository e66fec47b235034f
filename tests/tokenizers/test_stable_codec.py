import json
import runpy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from benchmark.errors import UserError
from benchmark.tokenizers.networks.stable_codec import Attention
from benchmark.tokenizers.stable_codec import StableCodec, to_target_loudness

HERE = Path(__file__).parent
WEIGHTS = runpy.run_path(str(HERE / "weights" / "stable_codec.py"))
FILES = ["model_config.json", "model.safetensors"]
UPSTREAM = "Stability-AI/stable-codec @ 8535544, stable-audio-tools @ b178008"


@pytest.fixture
def tokenizer(tmp_path: Path) -> StableCodec:
    made = StableCodec(name="stable_codec", checkpoint=str(tmp_path), books=2, files=FILES)
    WEIGHTS["write"](made, tmp_path)
    return made


@pytest.fixture
def pieces(short_speech: list[torch.Tensor]) -> list[torch.Tensor]:
    """Return two utterances, and half a second of quiet speech with a click, which would be clipped."""
    clicked = 0.05 * short_speech[0][4000:12000]
    clicked[3000] = 0.9
    return [*short_speech, clicked]


@pytest.mark.parametrize(("options", "books"), [("plain", 1), ("plain", 2), ("plain", 4), ("rich", 2)])
def test_codes_and_audio_are_upstreams(tmp_path: Path, pieces, same_codes, options: str, books: int) -> None:
    """Compare on the same random weights, narrow, with both values of each option of the released classes.

    The released code (of versions 0.1.2 and 0.0.17) ran with attention in a window as FlashAttention defines
    it, and in float32. Every eleventh sample of the audio is stored, of two codebooks."""
    two = StableCodec(name="stable_codec", checkpoint=str(tmp_path), books=2, files=FILES)
    tokenizer = replace(two, books=books)  # type: ignore[arg-type]
    WEIGHTS["write"](tokenizer, tmp_path, options)
    encoded = [tokenizer.encode(wav[None], torch.tensor([len(wav)])) for wav in pieces]
    with np.load(HERE / "fixtures" / "stable_codec.npz") as theirs:
        codes = [torch.from_numpy(theirs[f"codes_{options}_{books}_{n}"].astype(np.int64)) for n in range(3)]
        audio = [torch.from_numpy(theirs[f"audio_{options}_{n}"]) for n in range(3)]
    same_codes(
        "stable_codec",
        UPSTREAM,
        zip([row[0] for row, _ in encoded], codes, strict=True),
        note=f"seeded random weights, narrow, {options}; {books} × {tokenizer.spec.codebook_size} entries",
    )
    if books == 2:
        for (row, frames), expected in zip(encoded, audio, strict=True):
            decoded = tokenizer._decode(row, frames)[0, ::11]
            torch.testing.assert_close(decoded, expected, atol=2e-5 * float(expected.abs().max()), rtol=0)


def test_the_point_of_every_code_is_encoded_as_that_code(tokenizer: StableCodec) -> None:
    """Quantize the sum of two points, one of each codebook; residuals never tie at half a step."""
    assert tokenizer.spec.codebook_sizes == (15_625, 15_625)
    assert round(tokenizer.spec.bitrate) == 697
    vectors = tokenizer.codebook_vectors()
    assert vectors.shape == (2, 15_625, 6)
    assert vectors[0].unique().tolist() == [-1, -0.5, 0, 0.5, 1]
    assert vectors[1].unique().tolist() == [-0.25, -0.125, 0, 0.125, 0.25]
    inner = vectors[1].abs().amax(1) < 0.25
    codes = torch.stack([torch.arange(15_625)[inner], torch.arange(15_625)[inner]])
    points = (vectors[0, codes[0]] + vectors[1, codes[1]]).clamp(-0.9999, 0.9999)
    tokenizer._model.encode = lambda wav: points.atanh()[None]  # type: ignore[method-assign]
    found, _ = tokenizer._encode(torch.zeros(1, 640), torch.tensor([640]))
    inside = (vectors[0, codes[0]] + vectors[1, codes[1]]).abs().amax(1) <= 1
    assert inside.sum() > 500
    assert torch.equal(found[0][:, inside], codes[:, inside])


def test_attention_sees_its_window_alone() -> None:
    """Change one frame: outputs change from `after` frames before it to `before` frames behind it."""
    torch.manual_seed(0)
    attention = Attention(128, (3, 5)).eval()
    x = torch.randn(1, 40, 128)
    other = x.clone()
    other[0, 20] += 1
    with torch.no_grad():
        changed = (attention(x) - attention(other)).abs().amax(2)[0] > 0
    assert changed.nonzero().flatten().tolist() == list(range(15, 24))


def test_speech_is_encoded_at_one_loudness(pieces) -> None:
    for wav in pieces[:2]:
        louder = to_target_loudness(wav)
        torch.testing.assert_close(to_target_loudness(wav / 3), louder, atol=1e-5, rtol=0)
        assert not torch.allclose(wav, louder, atol=1e-2)
    assert float(to_target_loudness(pieces[2]).abs().max()) == pytest.approx(0.95)
    for quiet in (torch.zeros(16_000), 5e-4 * torch.ones(16_000)):
        assert torch.equal(to_target_loudness(quiet), quiet)
    rumble = 2e-3 * torch.sin(torch.arange(16_000) * 2 * torch.pi * 0.01)  # the loudness filter removes it
    assert to_target_loudness(rumble).isfinite().all()
    assert to_target_loudness(pieces[0][:100]).isfinite().all()


def test_a_checkpoint_file_loads_like_safetensors_and_training_heads_are_ignored(
    tokenizer: StableCodec, tmp_path: Path, pieces
) -> None:
    codes, _ = tokenizer.encode(pieces[0][None], torch.tensor([len(pieces[0])]))
    state = load_file(tmp_path / "model.safetensors") | {"proj_head.weight": torch.zeros(81, 6)}
    (tmp_path / "model.safetensors").unlink()
    torch.save({"state_dict": state}, tmp_path / "model.ckpt")
    pickled = replace(tokenizer, files=["model_config.json", "model.ckpt"])
    again, _ = pickled.encode(pieces[0][None], torch.tensor([len(pieces[0])]))
    assert torch.equal(codes, again)


def test_another_models_checkpoint_is_refused(tokenizer: StableCodec, tmp_path: Path) -> None:
    good = WEIGHTS["config"](WEIGHTS["PLAIN"])

    def refused(message: str, **changed: object) -> None:
        config = json.loads(json.dumps(good))
        for path, value in changed.items():
            *parents, key = path.split("__")
            node = config
            for parent in parents:
                node = node[parent]
            node[key] = value
        (tmp_path / "model_config.json").write_text(json.dumps(config))
        with pytest.raises(UserError, match=message):
            _ = tokenizer._model

    refused("sample_rate 44100, where 16000", sample_rate=44_100)
    refused("encoder dac, where taae", model__encoder__type="dac")
    refused("samples_per_code 960, where 640", model__encoder__config__strides=[1, 3])
    refused("is no Stable-Codec: .*new_option", model__encoder__config__new_option=True)
    refused("does not fit StableCodecNetwork", model__decoder__config__transformer_depths=[2, 2])
    refused("is no Stable-Codec; it lacks 'encoder'", model={})
    (tmp_path / "model_config.json").write_text(json.dumps(good))
    save_file({"weight": torch.zeros(1)}, tmp_path / "model.safetensors")
    with pytest.raises(UserError, match="does not fit StableCodecNetwork"):
        _ = tokenizer._model
    (tmp_path / "model.safetensors").unlink()
    with pytest.raises(UserError, match=r"no file 'model\.safetensors'"):
        _ = tokenizer._model
    with pytest.raises(UserError, match="books of stable_codec 3"):
        replace(tokenizer, books=3)  # type: ignore[arg-type]
    with pytest.raises(UserError, match="files must name the config file and the weights"):
        replace(tokenizer, files=FILES[:1])
