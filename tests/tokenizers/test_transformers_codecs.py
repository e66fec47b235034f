import runpy
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from benchmark.errors import UserError
from benchmark.tokenizers.dac import Dac
from benchmark.tokenizers.encodec import Encodec
from benchmark.tokenizers.mimi import Mimi
from benchmark.tokenizers.pretrained import Pretrained
from benchmark.tokenizers.xcodec import Xcodec
from benchmark.tokenizers.xcodec2 import NeuCodec, Xcodec2

WEIGHTS = Path(__file__).with_name("weights")
CODECS: dict[str, tuple[type[Pretrained], dict[str, Any]]] = {
    "encodec": (Encodec, {}),
    "dac": (Dac, {"sample_rate": 24_000, "num_codebooks": 8}),
    "mimi": (Mimi, {}),
    "xcodec": (Xcodec, {}),
    "xcodec2": (Xcodec2, {}),
    "neucodec": (NeuCodec, {}),
}


def make(name: str, folder: Path, **changes: Any) -> Pretrained:
    kind, arguments = CODECS[name]
    tokenizer = kind(name=name, checkpoint=str(folder), licence="none", **(arguments | changes))
    if not any(folder.iterdir()):
        torch.manual_seed(0)
        module = kind.__module__.rpartition(".")[2]
        runpy.run_path(str(WEIGHTS / f"{module}.py"))["write"](tokenizer, folder)
    return tokenizer


def encode(tokenizer: Pretrained, wav: torch.Tensor) -> torch.Tensor:
    codes, frames = tokenizer.encode(wav[None], torch.tensor([len(wav)]))
    return codes[0, :, : int(frames[0])]


@pytest.mark.parametrize("name", CODECS)
def test_a_checkpoint_that_lacks_weights_is_refused(name: str, tmp_path: Path, short_speech) -> None:
    make(name, tmp_path)
    state = load_file(tmp_path / "model.safetensors")
    state.pop(next(key for key in state if "decoder" in key))
    save_file(state, tmp_path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(UserError, match="lacks weights"):
        encode(make(name, tmp_path), short_speech[0])


def test_the_checkpoint_of_another_rate_is_refused(tmp_path: Path, short_speech) -> None:
    make("dac", tmp_path)
    other = make("dac", tmp_path, sample_rate=16_000)
    with pytest.raises(UserError, match="sampling_rate 24000, where 16000 is expected"):
        encode(other, short_speech[0])


@pytest.mark.parametrize(
    ("name", "many", "few"),
    [
        ("encodec", {"bandwidth": 6.0}, {"bandwidth": 1.5}),
        ("dac", {"num_codebooks": 8}, {"num_codebooks": 3}),
        ("mimi", {"num_codebooks": 8}, {"num_codebooks": 4}),
        ("xcodec", {"bandwidth": 4.0}, {"bandwidth": 2.0}),
    ],
)
def test_fewer_codebooks_are_a_prefix(name: str, many, few, tmp_path: Path, short_speech) -> None:
    whole, part = (encode(make(name, tmp_path, **change), short_speech[0]) for change in (many, few))
    assert len(part) < len(whole)
    assert torch.equal(part, whole[: len(part)])


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("encodec", {"bandwidth": 2.0}, "Legal: 1.5, 12.0, 24.0, 3.0, 6.0"),
        ("xcodec", {"bandwidth": 3.0}, "unknown bandwidth"),
        ("dac", {"sample_rate": 44_100}, "Legal: 16000, 24000"),
        ("dac", {"num_codebooks": 33}, "from 1 to 32"),
        ("mimi", {"num_codebooks": 0}, "from 1 to 32"),
    ],
)
def test_illegal_arguments_name_the_legal_ones(name: str, change, message: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=message):
        make(name, tmp_path, **change)


def test_dac_frames_do_not_follow_the_hub_configuration(tmp_path: Path) -> None:
    # Its hop of 512 would give 76 frames for 24400 samples at 24 kHz, and 99 for 31360.
    tokenizer = make("dac", tmp_path)
    for samples, frames in ((24_400, 77), (31_360, 98)):
        padded = torch.zeros(1, -(-samples // 320) * 320)
        _, lengths = tokenizer._encode(padded, torch.tensor([samples]))
        assert int(lengths[0]) == frames


@pytest.mark.parametrize(
    ("name", "samples", "frames"),
    [("xcodec2", 16_000, 50), ("xcodec2", 15_999, 50), ("neucodec", 16_000, 50), ("neucodec", 15_999, 49)],
)
def test_the_frame_that_is_padding_alone_is_dropped(name, samples, frames, tmp_path: Path, voice) -> None:
    assert encode(make(name, tmp_path), torch.from_numpy(voice(samples, 1))).shape == (1, frames)


def test_neucodec_decodes_at_24_khz_to_the_right_length(tmp_path: Path, short_speech) -> None:
    tokenizer, wav = make("neucodec", tmp_path), short_speech[0]
    codes = encode(tokenizer, wav)[None]
    lengths = torch.tensor([codes.shape[-1]])
    native = tokenizer._decode(codes, lengths)
    assert native.shape[-1] == codes.shape[-1] * 480
    decoded = tokenizer.decode(codes, lengths, torch.tensor([len(wav)]))
    assert decoded.shape == (1, len(wav))
    assert decoded[0, -320:].abs().max() > 0  # not cut off in the middle by a wrong rate
