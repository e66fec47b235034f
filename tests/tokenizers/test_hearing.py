"""The rate at which a tokenizer hears a corpus: its own where the files have it, 16 kHz otherwise."""

import json
import runpy
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import soxr
import torch

from benchmark.data.audio import AudioError, header, read_audio, resample
from benchmark.data.corpora.base import Corpus
from benchmark.data.manifest import Manifest
from benchmark.models.vocoder.config import VocoderConfig
from benchmark.storage.artifacts import ArtifactStore
from benchmark.tasks.base import RunContext
from benchmark.tasks.decoding.resynthesis import resynthesise
from benchmark.tokenizers.encoding.encode import encode_manifest
from benchmark.tokenizers.encoding.full_contract import CHECKS
from benchmark.tokenizers.hearing import hearing
from benchmark.tokenizers.opus import Opus
from benchmark.tokenizers.shuffled import Shuffled
from benchmark.tokenizers.ticodec import TiCodec
from benchmark.training.config import TrainerConfig
from benchmark.types import Utterance

LOW, HIGH = 400.0, 10_000.0
"""Hz of the two tones of every recording; 16 kHz speech cannot carry the high one."""


@dataclass(kw_only=True)
class Tones(Corpus):
    """Recordings of two tones in files of the given rates, after the recordings in `others`."""

    folder: str
    rates: tuple[int, ...]
    hashed: bool = False
    others: tuple[Utterance, ...] = ()

    def identity(self, split: str) -> dict[str, Any]:
        return {**super().identity(split), "rates": list(self.rates)}

    def build(self, split: str, folder: Path) -> Manifest:
        utterances = list(self.others)
        for number, rate in enumerate(self.rates):
            time = np.arange(round((0.8 + 0.1 * number) * rate)) / rate
            wav = sum(0.3 * np.sin(2 * np.pi * tone * time) for tone in (LOW, HIGH) if tone < rate / 2)
            path = Path(self.folder) / f"{rate}_{number}.wav"
            soundfile.write(path, wav, rate)
            duration, fingerprint = header(path)
            fingerprint = "c0ffee" if self.hashed else fingerprint
            utterances.append(Utterance(f"u{number}", str(path), f"s{number}", duration, fingerprint))
        return Manifest(utterances)


@pytest.fixture
def corpus(tmp_path: Path) -> Callable[..., Tones]:
    return lambda *rates, **more: Tones(name="tones", folder=str(tmp_path), rates=rates, **more)


@pytest.fixture(scope="module")
def codec(tmp_path_factory: pytest.TempPathFactory) -> TiCodec:
    """A published codec for 24 kHz that takes side information, with small random weights."""
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("weights")
    made = TiCodec(name="ticodec", num_codebooks=1, licence="Apache-2.0", checkpoint=str(folder))
    with torch.no_grad():
        runpy.run_path(str(Path(__file__).parent / "weights" / "ticodec.py"))["write"](made, folder)
    return made


@pytest.fixture
def heard(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[np.ndarray]]:
    """The waveforms that reach the adapter, by method."""
    given: dict[str, list[np.ndarray]] = {"_encode": [], "_side_info": []}
    for name, waveforms in given.items():
        method = getattr(TiCodec, name)

        def spy(
            self: TiCodec, wav: torch.Tensor, *rest: Any, method: Any = method, to: Any = waveforms
        ) -> Any:
            to.extend(wav.cpu().numpy().copy())
            return method(self, wav, *rest)

        monkeypatch.setattr(TiCodec, name, spy)
    return given


def level(wav: np.ndarray, tone: float, rate: int = 24_000) -> float:
    """Amplitude of a tone in the middle of a waveform."""
    middle = wav[len(wav) // 4 : len(wav) // 2].astype(np.float64)
    window = np.hanning(len(middle))
    time = np.arange(len(middle)) / rate
    return float(2 * abs(np.sum(window * middle * np.exp(-2j * np.pi * tone * time))) / window.sum())


@pytest.mark.parametrize("rate", [24_000, 44_100, 48_000])
def test_the_spectrum_above_8_khz_reaches_a_24_khz_codec(
    codec: TiCodec, corpus: Callable[..., Tones], heard: dict, store: ArtifactStore, rate: int
) -> None:
    tones = corpus(rate, rate, rate)
    bound = hearing(codec, tones, store)
    manifest = tones.manifest("test", store)
    tokens = encode_manifest(bound, manifest, store)
    assert len(tokens) == 3 and not tokens.failures
    assert all(
        level(wav, tone) == pytest.approx(0.3, rel=0.02) for wav in heard["_encode"] for tone in (LOW, HIGH)
    )
    wav, _ = soundfile.read(manifest["u0"].audio_path, dtype="float32")
    straight = soxr.resample(wav, rate, 24_000).astype(np.float32)
    assert any(np.array_equal(given[: len(straight)], straight) for given in heard["_encode"])
    seal = json.loads((tokens.folder / "seal.json").read_text())
    assert seal["key"]["tokenizer"]["arguments"]["input_rate"] == 24_000
    seconds = manifest["u0"].duration
    assert abs(tokens["u0"].shape[1] - seconds * codec.spec.frame_rate) <= 1


@pytest.mark.parametrize("rates", [(16_000,) * 3, (22_050,) * 3, (24_000, 16_000, 24_000)])
def test_slower_files_are_heard_as_before_bit_by_bit(
    codec: TiCodec, corpus: Callable[..., Tones], heard: dict, store: ArtifactStore, rates: tuple[int, ...]
) -> None:
    tones = corpus(*rates)
    assert hearing(codec, tones, store) is codec and "input_rate" not in codec.identity()["arguments"]
    manifest = tones.manifest("test", store)
    encode_manifest(codec, manifest, store)
    assert not any(level(wav, HIGH) > 1e-3 for wav in heard["_encode"])
    before = resample(read_audio(manifest["u1"].audio_path), 16_000, 24_000)
    assert any(np.array_equal(given[: len(before)], before) for given in heard["_encode"])


def test_the_rate_is_part_of_every_key_and_of_floors(
    codec: TiCodec, corpus: Callable[..., Tones], heard: dict, store: ArtifactStore
) -> None:
    tones = corpus(24_000, 48_000, 24_000)
    bound = hearing(codec, tones, store)
    assert bound is not codec and codec.input_rate == 16_000  # the given one is unchanged
    arguments = bound.identity()["arguments"]
    assert arguments == codec.identity()["arguments"] | {"input_rate": 24_000}
    floor = hearing(Shuffled(name="floor", base=codec), tones, store)
    assert floor.input_rate == floor.base_tokenizer.input_rate == 24_000
    assert floor.over(floor.base_tokenizer).input_rate == 24_000
    encode_manifest(floor, tones.manifest("test", store), store)
    assert all(level(wav, HIGH) > 0.29 for wav in heard["_encode"])


def test_tokenizers_of_16_khz_look_nothing_up(corpus: Callable[..., Tones], store: ArtifactStore) -> None:
    opus = Opus(name="opus", bitrate=6000)
    assert hearing(opus, corpus(48_000), store) is opus and not store.used


def test_files_tell_where_a_fingerprint_is_a_hash(
    codec: TiCodec, corpus: Callable[..., Tones], store: ArtifactStore
) -> None:
    assert hearing(codec, corpus(24_000, 24_000, hashed=True), store).input_rate == 24_000
    assert hearing(codec, corpus(24_000, 16_000, hashed=True), store).input_rate == 16_000


@pytest.mark.parametrize("fingerprint", ["from its header", "a hash"])
@pytest.mark.parametrize("damage", ["no header", "cut off"])
def test_a_recording_that_cannot_be_read_does_not_count(
    codec: TiCodec,
    corpus: Callable[..., Tones],
    tmp_path: Path,
    store: ArtifactStore,
    damage: str,
    fingerprint: str,
) -> None:
    broken = tmp_path / "broken.wav"
    soundfile.write(broken, np.zeros(16_000), 16_000)
    broken.write_bytes(b"RIFF no audio" if damage == "no header" else broken.read_bytes()[:9000])
    with pytest.raises(AudioError):
        read_audio(broken)
    duration, found = header(broken)
    damaged = Utterance("x", str(broken), "s", duration, "c0ffee" if fingerprint == "a hash" else found)
    assert hearing(codec, corpus(24_000, others=(damaged,)), store).input_rate == 24_000


def test_the_voice_of_an_own_decoder_is_heard_at_the_same_rate_and_speech_stays_16_khz(
    codec: TiCodec, corpus: Callable[..., Tones], heard: dict, store: ArtifactStore
) -> None:
    tones = corpus(24_000, 24_000)
    manifest = tones.manifest("test", store)
    context = RunContext(store=store, trainer=TrainerConfig(accelerator="cpu"))
    prompts = {utterance.utterance_id: utterance for utterance in manifest}
    audio = resynthesise(
        hearing(codec, tones, store), tones, manifest, prompts, VocoderConfig(name="unused"), context
    )
    assert not audio.failures and len(heard["_side_info"]) == 2
    assert all(level(wav, HIGH) > 0.29 for wav in heard["_side_info"])
    for utterance in manifest:
        info = soundfile.info(audio.files[utterance.utterance_id])
        assert (info.samplerate, info.frames) == (16_000, round(utterance.duration * 16_000))


@pytest.mark.parametrize("check", ["stable", "decoding", "codes", "identity"])
def test_the_contract_holds_at_the_rate_that_is_heard(codec: TiCodec, check: str) -> None:
    assert CHECKS[check](codec.hearing(24_000))
