"""LSCodec's own decoder against its reference code, X-LANCE/LSCodec-Inference @ 34aa506, and its files."""

import runpy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from torch.nn.functional import layer_norm
from transformers import WavLMModel

from benchmark.errors import UserError
from benchmark.models.vocoder.lscodec import AlphaDecoder, LSCodecDecoder
from benchmark.tokenizers.lscodec import LSCodec

HERE = Path(__file__).parent
MINIATURE = runpy.run_path(str(HERE / "weights" / "lscodec.py"))
seeded_state = runpy.run_path(str(HERE / "seeded.py"))["seeded_state"]


@pytest.fixture(scope="module")
def reference() -> dict[str, torch.Tensor]:
    """Load the output of upstream's CTXVEC2WAVGenerator.inference for `codes` at 25 Hz and `prompt`.

    Weights came from `seeded_state` with variances made positive; codes were repeated as upstream's scripts
    do. At the widths of vec2wav 2.0, which take too long here, both outputs were equal within 5e-7."""
    with np.load(HERE / "fixtures" / "lscodec_decoder.npz") as arrays:
        return {name: torch.from_numpy(arrays[name]) for name in arrays}


@pytest.fixture
def folder(tmp_path: Path, reference: dict[str, torch.Tensor]) -> Path:
    facts = MINIATURE["vocoder_config"](640)
    MINIATURE["put_vocoder"](tmp_path, facts, reference["codebook"], 640, seeded_state)
    return tmp_path


def decoder(folder: Path, entries: int = 40) -> AlphaDecoder:
    return LSCodecDecoder().load(folder, 640, entries)


@torch.no_grad()
def test_speech_is_that_of_the_reference_code(folder: Path, reference: dict[str, torch.Tensor]) -> None:
    codes, network = reference["codes"].long()[None], decoder(folder)
    wav = network(codes, torch.tensor([codes.shape[2]]), [reference["prompt"]])
    assert wav.shape == (1, codes.shape[2] * 960)
    torch.testing.assert_close(wav[0], reference["wav"], atol=1e-5, rtol=0)
    other = network(codes, torch.tensor([codes.shape[2]]), [2 * reference["prompt"]])
    assert (other - wav).abs().max() > 1e-3


@torch.no_grad()
def test_company_in_a_batch_changes_nothing(folder: Path, reference: dict[str, torch.Tensor]) -> None:
    codes, network = reference["codes"].long().repeat(2, 1, 1), decoder(folder)
    prompts = [reference["prompt"], reference["prompt"][:4]]
    wavs = network(codes, torch.tensor([codes.shape[2], 5]), prompts)
    alone = network(codes[1:, :, :5], torch.tensor([5]), prompts[1:])
    torch.testing.assert_close(wavs[0], reference["wav"], atol=1e-5, rtol=0)
    torch.testing.assert_close(wavs[1, : 5 * 960], alone[0], atol=1e-5, rtol=0)


def test_the_side_information_is_wavlms_sixth_layer_of_normalised_speech(tmp_path: Path) -> None:
    torch.manual_seed(0)
    MINIATURE["put_wavlm"](tmp_path / "wavlm")
    decoder = LSCodecDecoder(checkpoint=str(tmp_path / "wavlm"))
    tokenizer = LSCodec(name="lscodec", checkpoint=str(tmp_path), hop_length=320, decoder=decoder)
    wav = 0.05 * torch.randn(8000) + 0.01
    with torch.no_grad():
        wavlm = WavLMModel.from_pretrained(tmp_path / "wavlm").eval()
        states = wavlm(layer_norm(wav, wav.shape)[None], output_hidden_states=True).hidden_states
    side_info = tokenizer.extract_side_info(wav)
    assert side_info.shape == (24, 16)
    torch.testing.assert_close(side_info, states[6][0], atol=1e-5, rtol=1e-5)


def test_another_wavlm_is_another_decoder_of_the_same_codes(tmp_path: Path) -> None:
    for seed, name in ((0, "a"), (0, "same"), (1, "b")):
        torch.manual_seed(seed)
        MINIATURE["put_wavlm"](tmp_path / name)
    a, same, b = (
        LSCodec(
            name="lscodec",
            checkpoint=str(tmp_path),
            hop_length=320,
            decoder=LSCodecDecoder(checkpoint=str(tmp_path / name)),
        ).decoder_identity()
        for name in ("a", "same", "b")
    )
    assert a == same != b


def test_without_a_decoder_a_vocoder_is_needed(tmp_path: Path) -> None:
    with_it, without = (
        LSCodec(name="lscodec", checkpoint=str(tmp_path), hop_length=320, decoder=decoder)
        for decoder in (LSCodecDecoder(), None)
    )
    assert with_it.spec.can_decode and with_it.spec.decode_needs_prompt and with_it.spec.output_rate == 24_000
    assert not without.spec.can_decode and not without.spec.side_info
    with pytest.raises(TypeError, match="no decoder of its own"):
        without.decode(torch.zeros(1, 1, 5).long(), torch.tensor([5]), torch.tensor([1600]))


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("sampling_rate", 16_000, "sampling_rate 16000, where 24000"),
        ("generator_type", "BigVGAN", "generator_type 'BigVGAN'"),
        ("prompt_net_type", "Linear", "prompt_net_type 'Linear'; known"),
        ("repeat_input_tokens", False, "repeats codes 1 times.*one per 640"),
        ("frontend_params.conformer_params.macaron_style", False, "macaron_style False, where True"),
        ("generator_params.upsample_scales", [8, 5, 3, 2], r"upsampling \(8, 5, 3, 2\)"),
        ("generator_params.resblock_dilations", [[1, 3], [1, 3], [1]], "resblock_dilations"),
        ("generator_params.channels", 64, r"lscodec_vocoder\.pt: .*has the shape"),
    ],
)
def test_other_models_are_refused(folder: Path, path: str, value: Any, message: str) -> None:
    facts = yaml.safe_load((folder / "vocoder_config.yml").read_text())
    *parents, key = path.split(".")
    part = facts
    for parent in parents:
        part = part[parent]
    part[key] = value
    (folder / "vocoder_config.yml").write_text(yaml.safe_dump(facts))
    with pytest.raises(UserError, match=message):
        decoder(folder)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("vocoder_config.yml", b"[", "cannot be read"),
        ("vocoder_config.yml", b"sampling_rate: 24000", "lacks 'frontend_params'"),
        ("codebook.npy", b"nothing", "codebook.npy cannot be read"),
        ("lscodec_vocoder.pt", b"nothing", "cannot be loaded safely"),
    ],
)
def test_damaged_files_are_user_errors(folder: Path, name: str, content: bytes, message: str) -> None:
    (folder / name).write_bytes(content)
    with pytest.raises(UserError, match=message):
        decoder(folder)


def test_another_codebook_is_refused(folder: Path) -> None:
    with pytest.raises(UserError, match=r"has the shape \(1, 40, 64\), where \(1, 1024, 64\)"):
        decoder(folder, 1024)


def test_a_file_without_the_generator_is_refused(folder: Path) -> None:
    torch.save({"model": {}}, folder / "lscodec_vocoder.pt")
    with pytest.raises(UserError, match=r"holds no model\.generator"):
        decoder(folder)
