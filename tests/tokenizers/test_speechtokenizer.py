import importlib.metadata
import json
import runpy
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from benchmark.errors import UserError
from benchmark.tokenizers.speechtokenizer import FOLDER, SpeechTokenizer

speechtokenizer = pytest.importorskip("speechtokenizer")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("speechtokenizer")
    torch.manual_seed(0)
    writer = Path(__file__).with_name("weights") / "speechtokenizer.py"
    runpy.run_path(str(writer))["write"](None, folder)
    return folder


@pytest.fixture(scope="module")
def tokenizer(folder: Path) -> SpeechTokenizer:
    return SpeechTokenizer(name="speechtokenizer", checkpoint=str(folder))


@pytest.fixture(scope="module")
def peer(folder: Path) -> Any:
    files = (str(folder / FOLDER / name) for name in ("config.json", "SpeechTokenizer.pt"))
    return speechtokenizer.SpeechTokenizer.load_from_checkpoint(*files).eval()


def encode(tokenizer: SpeechTokenizer, wav: torch.Tensor) -> torch.Tensor:
    return tokenizer.encode(wav[None], torch.tensor([len(wav)]))[0]


@torch.no_grad()
def test_codes_and_sound_are_those_of_the_package(
    tokenizer: SpeechTokenizer, peer: Any, short_speech: list[torch.Tensor], same_codes: Any
) -> None:
    pairs = []
    for wav in short_speech:
        ours, theirs = encode(tokenizer, wav), peer.encode(wav[None, None])
        pairs.append((ours[0], theirs[:, 0]))
        samples = torch.tensor([len(wav)])
        sound = tokenizer.decode(ours, torch.tensor([ours.shape[-1]]), samples)
        torch.testing.assert_close(sound, peer.decode(theirs)[:, 0, : len(wav)], atol=1e-6, rtol=0)
    same_codes("speechtokenizer", f"speechtokenizer {importlib.metadata.version('speechtokenizer')}", pairs)


def test_fewer_books_are_a_prefix(tokenizer: SpeechTokenizer, short_speech: list[torch.Tensor]) -> None:
    semantic = replace(tokenizer, num_codebooks=1)
    assert semantic.spec.bitrate == 500
    assert torch.equal(encode(semantic, short_speech[0]), encode(tokenizer, short_speech[0])[:, :1])
    assert semantic.codebook_vectors().shape == (1, 1024, 32)


def test_the_model_does_not_see_the_padding_to_whole_frames(
    tokenizer: SpeechTokenizer, peer: Any, voice: Any
) -> None:
    wav = torch.from_numpy(voice(16_001, 3))
    padded = torch.nn.functional.pad(wav, (0, 319))
    assert not torch.equal(peer.encode(wav[None, None]), peer.encode(padded[None, None]))
    assert torch.equal(encode(tokenizer, wav)[0], peer.encode(wav[None, None])[:, 0])


@pytest.mark.parametrize("books", [0, 9])
def test_an_impossible_number_of_books_is_refused(books: int) -> None:
    with pytest.raises(UserError, match=f"from 1 to 8, not {books}"):
        SpeechTokenizer(name="s", checkpoint="/nowhere", num_codebooks=books)


def test_what_the_package_needs_but_does_not_declare_is_named(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in [name for name in sys.modules if name.partition(".")[0] == "speechtokenizer"]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, "beartype", None)
    with pytest.raises(UserError, match=r"beartype.*\[zoo\]"):
        SpeechTokenizer(name="s", checkpoint=str(folder)).codebook_vectors()


def test_another_model_is_refused(folder: Path, tmp_path: Path) -> None:
    config = json.loads((folder / FOLDER / "config.json").read_text())
    (tmp_path / FOLDER).mkdir()
    (tmp_path / FOLDER / "config.json").write_text(json.dumps(config | {"n_q": 3}))
    (tmp_path / FOLDER / "SpeechTokenizer.pt").touch()
    with pytest.raises(UserError, match="n_q 3, where 8"):
        SpeechTokenizer(name="s", checkpoint=str(tmp_path)).codebook_vectors()
