"""Fixtures of the task tests: a corpus of six speakers, and metrics and a vocoder without models."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from benchmark.data.audio import header, write_audio
from benchmark.data.corpora.base import Corpus
from benchmark.data.manifest import Manifest
from benchmark.extractors.asr.extractors import Listener, Transcript
from benchmark.extractors.speaker.encoders import Embed, SpeakerEncoder
from benchmark.metrics.base import Metric
from benchmark.metrics.intelligibility import WordErrorRate
from benchmark.metrics.pitch import PitchCorrelation
from benchmark.metrics.speaker import SourceSimilarity, TargetSimilarity
from benchmark.metrics.stoi import Stoi
from benchmark.storage.artifacts import ArtifactStore
from benchmark.tasks.base import RunContext
from benchmark.tasks.decoding import resynthesis
from benchmark.training.report import save_report
from benchmark.training.trainer import TrainerConfig
from benchmark.types import Utterance

PITCH = {"s0": 210.0, "s1": 230.0, "s2": 110.0, "s3": 125.0, "s4": 250.0, "s5": 95.0}


@dataclass(kw_only=True)
class Voices(Corpus):
    """A corpus of speakers who hum at one pitch each, with vibrato: three recordings each, and one German."""

    folder: str
    foreign: bool = True

    @property
    def foreign_splits(self) -> tuple[str, ...]:
        return ("test_de",) if self.foreign else ()

    def identity(self, split: str) -> dict[str, Any]:
        return {**super().identity(split), "foreign": self.foreign}

    def build(self, split: str, folder: Path) -> Manifest:
        language = "de" if split == "test_de" else "en"
        return Manifest(
            self._record(speaker, language, number)
            for speaker in PITCH
            for number in range(1 if language == "de" else 3)
        )

    def _record(self, speaker: str, language: str, number: int) -> Utterance:
        time = np.arange(9600 + 800 * number) / 16000
        phase = 2 * np.pi * np.cumsum(PITCH[speaker] * (1 + 0.1 * np.sin(9 * time + number))) / 16000
        wav = 0.2 * sum(np.sin(k * phase) / k for k in range(1, 6))
        name = f"{speaker}-{language}-{number}"
        path = Path(self.folder) / f"{name}.wav"
        write_audio(path, wav.astype(np.float32))
        gender = "F" if PITCH[speaker] > 150 else "M"
        return Utterance(
            name, str(path), speaker, *header(path), text="hum", language=language, gender=gender
        )


class Listed(Voices):
    """A corpus with prompts: the last recording of each speaker, which is not in the test split."""

    @property
    def prompt_split(self) -> str:
        return "test_prompts"

    def build(self, split: str, folder: Path) -> Manifest:
        whole = super().build(split, folder)
        if split == "test_de":
            return whole
        return Manifest(u for u in whole if u.utterance_id.endswith("-2") is (split == "test_prompts"))

    def listed_prompts(self, store: ArtifactStore) -> dict[str, Utterance]:
        prompts = {u.speaker_id: u for u in self.manifest("test_prompts", store)}
        return {u.utterance_id: prompts[u.speaker_id] for u in self.manifest("test", store)}


class Halves(Voices):
    """The last recording of each speaker is the test split, and the two before are the train split."""

    def build(self, split: str, folder: Path) -> Manifest:
        return Manifest(
            u for u in super().build(split, folder) if u.utterance_id.endswith("-2") is (split == "test")
        )


@dataclass(frozen=True, kw_only=True)
class Ear(Transcript):
    """A recogniser that always returns the same word."""

    name: str = "an ear"
    checkpoint: str = "none"
    method: ClassVar[str] = "by ear"

    def identity(self) -> dict[str, Any]:
        return {"name": self.name}

    def listener(self, device: str) -> Listener:
        return lambda wavs: ["hum" for _ in wavs]


@dataclass(frozen=True, kw_only=True)
class Timbre(SpeakerEncoder):
    """A speaker encoder that returns the loudness of octaves, which distinguishes six hums."""

    width: ClassVar[int] = 160
    name: ClassVar[str] = "octave"

    def embedder(self, device: str) -> Embed:
        def embed(wav: np.ndarray) -> np.ndarray:
            spectrum = np.abs(np.fft.rfft(wav, 16000))[:1600].reshape(160, 10).sum(1)
            return spectrum / np.linalg.norm(spectrum)

        return lambda wavs: [embed(wav) for wav in wavs]


class Parrot:
    """A vocoder that returns the prompt and ignores the codes."""

    @classmethod
    def load(cls, *_: Any) -> "Parrot":
        return cls()

    def synthesize(
        self, codes: Sequence[Any], prompts: Sequence[np.ndarray], num_samples: Sequence[int], *_: Any
    ) -> list[np.ndarray]:
        return [np.resize(prompt, count) for prompt, count in zip(prompts, num_samples, strict=True)]


@pytest.fixture
def voices(tmp_path: Path) -> Voices:
    (tmp_path / "voices").mkdir()
    return Voices(name="voices", folder=str(tmp_path / "voices"))


@pytest.fixture
def listed(voices: Voices) -> Listed:
    return Listed(name="listed", folder=voices.folder)


@pytest.fixture
def halves(voices: Voices) -> Halves:
    return Halves(name="halves", folder=voices.folder)


@pytest.fixture
def context(store: ArtifactStore) -> RunContext:
    return RunContext(store=store, trainer=TrainerConfig(accelerator="cpu"))


@pytest.fixture
def metrics() -> dict[str, Metric]:
    """Build the metrics of the survey preset, without models."""
    voice = Timbre()
    return {
        "wer": WordErrorRate(asr=Ear()),
        "stoi": Stoi(),
        "secs": TargetSimilarity(encoder=voice),
        "secs_source": SourceSimilarity(encoder=voice),
        "p_corr": PitchCorrelation(tasks=["voice_conversion"], alignment="cut"),
    }


@pytest.fixture
def parrot(monkeypatch: pytest.MonkeyPatch) -> None:
    """Replace every vocoder by a `Parrot`, which needs no training."""

    def trained(tokenizer: Any, corpus: Any, config: Any, context: RunContext) -> Path:
        def build(folder: Path) -> None:
            save_report(folder, {"status": "ok", "reason": ""})

        return context.store.get("vocoders", {"parrot": tokenizer.identity()}, build)

    monkeypatch.setattr(resynthesis, "trained_vocoder", trained)
    monkeypatch.setattr(resynthesis, "Vocoder", Parrot)
