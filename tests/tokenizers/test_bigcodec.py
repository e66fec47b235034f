import importlib.metadata
import runpy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from benchmark.errors import UserError
from benchmark.tokenizers.bigcodec import BigCodec

bigcodec = pytest.importorskip("bigcodec")

FIXTURE = Path(__file__).with_name("fixtures") / "bigcodec.npz"
"""Codes and sound of Aria-K-Alethia/BigCodec @ 09845ab with the same seeded weights."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bigcodec")
    runpy.run_path(str(Path(__file__).with_name("weights") / "bigcodec.py"))["write"](None, folder)
    return folder


@pytest.fixture(scope="module")
def tokenizer(folder: Path) -> BigCodec:
    return BigCodec(name="bigcodec", checkpoint=str(folder))


def encode(tokenizer: BigCodec, wav: torch.Tensor) -> torch.Tensor:
    return tokenizer.encode(wav[None], torch.tensor([len(wav)]))[0]


def test_codes_and_sound_are_those_of_the_official_code(
    tokenizer: BigCodec, short_speech: list[torch.Tensor], same_codes: Any
) -> None:
    pairs = []
    with np.load(FIXTURE) as official:
        for row, wav in enumerate(short_speech):
            codes = encode(tokenizer, wav)
            pairs.append((codes[0], torch.from_numpy(official[f"codes_{row}"].astype(np.int64))))
            sound = tokenizer._decode(codes, torch.tensor([codes.shape[-1]]))[0, :4000]
            expected = torch.from_numpy(official[f"sound_{row}"])
            torch.testing.assert_close(sound, expected, atol=1e-4, rtol=0)
    same_codes("bigcodec", "Aria-K-Alethia/BigCodec @ 09845ab", pairs)


@torch.no_grad()
def test_codes_and_sound_are_those_of_the_package(
    tokenizer: BigCodec, folder: Path, short_speech: list[torch.Tensor], same_codes: Any
) -> None:
    narrow = {"ngf": 2, "use_rnn": True, "rnn_bidirectional": False, "rnn_num_layers": 2}
    geometry = {"up_ratios": (2, 2, 2, 5, 5), "dilations": (1, 3, 9), "out_channels": 16}
    book = {"codebook_size": 8192, "codebook_dim": 8, "vq_num_quantizers": 1}
    peer = bigcodec.BigCodec(**narrow, **geometry, **book).eval()
    peer.decoder = bigcodec.CodecDecoder(in_channels=16, vq_dim=16, upsample_initial_channel=64).eval()
    states = torch.load(folder / "bigcodec.pt", weights_only=True)
    peer.encoder.load_state_dict(states["CodecEnc"])
    peer.decoder.load_state_dict(states["generator"])
    pairs = []
    for wav in short_speech:
        ours = encode(tokenizer, wav)
        theirs = peer.encode(torch.nn.functional.pad(wav, (0, 200 - len(wav) % 200))[None, None])
        pairs.append((ours[0], theirs[:, 0]))
        sound = tokenizer._decode(ours, torch.tensor([ours.shape[-1]]))
        torch.testing.assert_close(sound, peer.decode(ours)[:, 0], atol=1e-6, rtol=0)
    same_codes("bigcodec", f"bigcodec {importlib.metadata.version('bigcodec')}", pairs)


@pytest.mark.parametrize(("samples", "frames"), [(15_999, 80), (16_000, 81), (16_001, 81)])
def test_there_is_always_padding(tokenizer: BigCodec, voice: Any, samples: int, frames: int) -> None:
    codes, lengths = tokenizer.encode(torch.from_numpy(voice(samples, 1))[None], torch.tensor([samples]))
    assert codes.shape[-1] == int(lengths[0]) == frames


def test_the_third_party_repack_is_refused(folder: Path, tmp_path: Path) -> None:
    torch.save(torch.load(folder / "bigcodec.pt", weights_only=True)["CodecEnc"], tmp_path / "bigcodec.pt")
    with pytest.raises(UserError, match="no BigCodec checkpoint; it lacks 'CodecEnc'"):
        BigCodec(name="b", checkpoint=str(tmp_path)).codebook_vectors()
