import importlib.metadata
import runpy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from benchmark.errors import UserError
from benchmark.tokenizers.l3ac import GEOMETRY, L3ac

l3ac = pytest.importorskip("l3ac")

CONFIGS = {"l3ac_0k75": "0k75bps", "l3ac_1k0": "1kbps", "l3ac_1k5": "1k5bps", "l3ac_3k0": "3kbps"}
BITRATES = {"0k75bps": 749, "1kbps": 998, "1k5bps": 1497, "3kbps": 2989}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("l3ac")
    writer = runpy.run_path(str(Path(__file__).with_name("weights") / "l3ac.py"))["write"]
    torch.manual_seed(0)
    for model in GEOMETRY:
        writer(L3ac(name="l", checkpoint="/nowhere", model=model), folder)  # type: ignore[arg-type]
    return folder


@pytest.mark.parametrize("name", CONFIGS)
@torch.no_grad()
def test_codes_and_sound_are_those_of_the_package(
    name: str, folder: Path, short_speech: list[torch.Tensor], same_codes: Any
) -> None:
    model = CONFIGS[name]
    tokenizer = L3ac(name=name, checkpoint=str(folder), model=model)  # type: ignore[arg-type]
    peer = l3ac.L3AC(l3ac.L3ACConfig(config_file=l3ac.CONFIG_DIR / f"{model}.toml"))
    peer.network.load_model(model_path=folder / "weights" / f"{model}.v1")
    peer.network.eval()
    pairs = []
    for wav in short_speech:
        samples = torch.tensor([len(wav)])
        ours, frames = tokenizer.encode(wav[None], samples)
        features, theirs = peer.encode_audio(wav[None])
        pairs.append((ours[0], theirs["indices"].long()))
        sound = tokenizer.decode(ours, frames, samples)
        torch.testing.assert_close(sound, peer.decode_audio(features)[:, : len(wav)], atol=1e-5, rtol=0)
    same_codes(name, f"l3ac {importlib.metadata.version('l3ac')}", pairs)


@pytest.mark.parametrize("model", GEOMETRY)
def test_the_bitrate_is_the_published_one(model: str) -> None:
    spec = L3ac(name="l", checkpoint="/nowhere", model=model).spec  # type: ignore[arg-type]
    assert round(spec.bitrate) == BITRATES[model]


def test_the_environment_has_no_say(
    folder: Path, short_speech: list[torch.Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    tokenizer = L3ac(name="l", checkpoint=str(folder), model="3kbps")
    samples = torch.tensor([len(short_speech[0])])
    expected, _ = tokenizer.encode(short_speech[0][None], samples)
    monkeypatch.setenv("SAMPLE_RATE", "8000")
    monkeypatch.setenv("NETWORK_CONFIG", '{"feature_dim": 12}')
    again, _ = replace(tokenizer).encode(short_speech[0][None], samples)
    assert torch.equal(again, expected)


def test_an_unknown_model_is_refused() -> None:
    with pytest.raises(UserError, match="Legal: 0k75bps, 1k5bps, 1kbps, 3kbps"):
        L3ac(name="l", checkpoint="/nowhere", model="2kbps")  # type: ignore[arg-type]
