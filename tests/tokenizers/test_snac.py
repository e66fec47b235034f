import importlib.metadata
import json
import runpy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from benchmark.data.audio import resample
from benchmark.errors import UserError
from benchmark.tokenizers.networks.snac import Noise
from benchmark.tokenizers.snac import Snac

STRIDES = (4, 2, 1)

snac = pytest.importorskip("snac")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("snac")
    torch.manual_seed(0)
    runpy.run_path(str(Path(__file__).with_name("weights") / "snac.py"))["write"](None, folder)
    return folder


@pytest.fixture(scope="module")
def tokenizer(folder: Path) -> Snac:
    return Snac(name="snac_24khz", checkpoint=str(folder))


@pytest.fixture(scope="module")
def peer(folder: Path) -> Any:
    return snac.SNAC.from_pretrained(str(folder))


def at_24khz(wav: torch.Tensor) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(resample(wav[None].numpy(), 16_000, 24_000)))[:, None]


@torch.no_grad()
def test_codes_are_those_of_the_package(
    tokenizer: Snac, peer: Any, short_speech: list[torch.Tensor], same_codes: Any
) -> None:
    pairs = []
    for wav in short_speech:
        ours, frames = tokenizer.encode(wav[None], torch.tensor([len(wav)]))
        books = zip(peer.encode(at_24khz(wav)), STRIDES, strict=True)
        theirs = torch.cat([book.repeat_interleave(stride, 1) for book, stride in books])
        pairs.append((ours[0], theirs[:, : int(frames[0])]))
    same_codes("snac_24khz", f"snac {importlib.metadata.version('snac')}", pairs)


@torch.no_grad()
def test_whole_groups_of_frames_decode_to_the_sound_of_the_package(
    tokenizer: Snac, peer: Any, short_speech: list[torch.Tensor]
) -> None:
    wav = short_speech[0][: 12 * 2048 * 2 // 3]
    codes, frames = tokenizer.encode(wav[None], torch.tensor([len(wav)]))
    assert int(frames[0]) == 12 * 4
    torch.manual_seed(0)
    theirs = peer.decode(peer.encode(at_24khz(wav)))[:, 0]
    torch.testing.assert_close(tokenizer._decode(codes, frames), theirs, atol=1e-6, rtol=0)


def test_noise_is_the_same_in_every_decoding_and_leaves_other_random_numbers_alone(
    tokenizer: Snac, voice: Any
) -> None:
    wav = torch.from_numpy(voice(16_000, 1))
    codes, frames = tokenizer.encode(wav[None], torch.tensor([16_000]))
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    first = tokenizer.decode(codes, frames, torch.tensor([16_000]))
    assert torch.equal(torch.rand(3), expected)
    assert torch.equal(first, tokenizer.decode(codes, frames, torch.tensor([16_000])))


def test_noise_does_not_depend_on_the_batch(tokenizer: Snac, voice: Any) -> None:
    wavs = torch.stack([torch.from_numpy(voice(16_000, seed)) for seed in (1, 2)])
    codes, frames = tokenizer.encode(wavs, torch.tensor([16_000, 16_000]))
    together = tokenizer._decode(codes, frames)
    torch.testing.assert_close(together[1:], tokenizer._decode(codes[1:], frames[1:]), atol=1e-6, rtol=0)


def test_noise_is_drawn_on_the_cpu_on_every_device(tokenizer: Snac) -> None:
    assert not any(isinstance(layer, snac.layers.NoiseBlock) for layer in tokenizer._model.modules())
    before = torch.get_rng_state()
    Noise(torch.nn.Identity())(torch.zeros(1, 2, 30, device="meta"))
    assert not torch.equal(torch.get_rng_state(), before)


def test_slow_books_are_repeated_and_count_at_their_own_rate(tokenizer: Snac, voice: Any) -> None:
    codes, frames = tokenizer.encode(torch.from_numpy(voice(16_000, 1))[None], torch.tensor([16_000]))
    assert codes.shape[-1] == int(frames[0]) == 47
    for book, stride in zip(codes[0], STRIDES, strict=True):
        assert torch.equal(book, book[::stride].repeat_interleave(stride)[:47])
    assert tokenizer.spec.bitrate == pytest.approx(12 * 46.875 * 1.75)


def test_another_model_of_the_family_is_refused(tokenizer: Snac, folder: Path, tmp_path: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | {"sampling_rate": 32_000}))
    (tmp_path / "pytorch_model.bin").write_bytes((folder / "pytorch_model.bin").read_bytes())
    with pytest.raises(UserError, match="sampling_rate 32000, where 24000"):
        Snac(name="s", checkpoint=str(tmp_path)).codebook_vectors()
