import importlib.metadata
import runpy
from pathlib import Path
from typing import Any

import pytest
import torch

from benchmark.errors import UserError
from benchmark.tokenizers.s3tokenizer import VERSIONS, S3Tokenizer

s3tokenizer = pytest.importorskip("s3tokenizer")

Folders = dict[str, Path]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Folders:
    writer = runpy.run_path(str(Path(__file__).with_name("weights") / "s3tokenizer.py"))["write"]
    made = {}
    torch.manual_seed(0)
    for model in VERSIONS:
        made[model] = tmp_path_factory.mktemp(model)
        writer(ours(model, made), made[model])
    return made


def ours(model: str, folders: Folders) -> S3Tokenizer:
    return S3Tokenizer(name="s3", checkpoint=str(folders[model]), model=model)  # type: ignore[arg-type]


def upstream(model: str, folders: Folders) -> Any:
    """Load the package's network at the narrow width, by the package's reader of the ONNX file."""
    module = {"v2": s3tokenizer.model_v2, "v3": s3tokenizer.model_v3}.get(model, s3tokenizer.model)
    suffix = model.upper() if model in ("v2", "v3") else ""
    config = getattr(module, "ModelConfigV3" if model == "v3" else "ModelConfig")
    narrow = config(n_audio_state=64, n_audio_head=1, n_audio_layer=1)
    version = VERSIONS[model]
    peer = getattr(module, f"S3Tokenizer{suffix}")(version.name, narrow).eval()
    peer.init_from_onnx(str(folders[model] / version.file))
    return peer


def by_upstream(peer: Any, *wavs: torch.Tensor) -> list[torch.Tensor]:
    mels, lengths = s3tokenizer.padding([s3tokenizer.log_mel_spectrogram(wav) for wav in wavs])
    codes, counts = peer.quantize(mels, lengths)
    return [row[:count].long().clone() for row, count in zip(codes, counts.tolist(), strict=True)]


@pytest.mark.parametrize("model", VERSIONS)
def test_codes_are_those_of_the_package(
    model: str, folders: Folders, short_speech: list[torch.Tensor], same_codes: Any
) -> None:
    padded = torch.nn.utils.rnn.pad_sequence(short_speech, batch_first=True)
    codes, counts = ours(model, folders).encode(padded, torch.tensor([len(wav) for wav in short_speech]))
    theirs = by_upstream(upstream(model, folders), *short_speech)
    pairs = [(codes[row, :, : int(counts[row])], part[None]) for row, part in enumerate(theirs)]
    name = {"v1_50hz": "s3_tokenizer_v1_50hz", "v1_25hz": "s3_tokenizer_v1_25hz"}.get(
        model, f"s3_tokenizer_{model}"
    )
    same_codes(name, f"s3tokenizer {importlib.metadata.version('s3tokenizer')}", pairs)


@pytest.mark.parametrize("model", ["v1_50hz", "v3"])
def test_long_speech_is_joined_from_windows_as_in_the_package(
    model: str, folders: Folders, voice: Any
) -> None:
    wav = torch.from_numpy(voice(35 * 16_000, 1))
    codes, counts = ours(model, folders).encode(wav[None], torch.tensor([len(wav)]))
    assert int(counts[0]) == 35 * VERSIONS[model].frame_rate
    assert torch.equal(codes[0, 0], by_upstream(upstream(model, folders), wav)[0])


def test_a_short_last_window_loses_nothing(folders: Folders, voice: Any) -> None:
    wav = torch.from_numpy(voice(53 * 16_000, 1))
    assert len(by_upstream(upstream("v2", folders), wav)[0]) < 53 * 25  # the package drops up to two seconds
    _, counts = ours("v2", folders).encode(wav[None], torch.tensor([len(wav)]))
    assert int(counts[0]) == 53 * 25


def test_the_50_hz_file_is_not_taken_for_the_25_hz_one(folders: Folders) -> None:
    mistaken = S3Tokenizer(name="s3", checkpoint=str(folders["v1_50hz"]), model="v1_25hz")
    with pytest.raises(UserError, match=r"frame_rate 50.*where 25 is expected"):
        mistaken.codebook_vectors()


def test_the_package_s_default_sizes_stay_as_they_were(folders: Folders) -> None:
    for model in VERSIONS:
        ours(model, folders).codebook_vectors()
    assert s3tokenizer.model.ModelConfig().n_codebook_size == 4096
    assert s3tokenizer.S3Tokenizer.__init__.__defaults__[0].n_codebook_size == 4096


def test_a_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    (tmp_path / "speech_tokenizer_v2.onnx").write_bytes(b"no graph")
    with pytest.raises(UserError, match="is no S3 tokenizer v2"):
        S3Tokenizer(name="s3", checkpoint=str(tmp_path), model="v2").codebook_vectors()


def test_an_unknown_model_is_refused() -> None:
    with pytest.raises(UserError, match="Legal: v1_25hz, v1_50hz, v2, v3"):
        S3Tokenizer(name="s3", checkpoint="/nowhere", model="v4")  # type: ignore[arg-type]
