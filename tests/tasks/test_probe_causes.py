"""Tests of deliberate failures, from audio to row: each NC names its own cause.

The corpus spells letters in tones, three frames of 20 ms per letter. A probe therefore learns to read a
healthy tokenizer within seconds, and each damaged tokenizer differs from the healthy one in one respect.
"""

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from benchmark.data.audio import header, write_audio
from benchmark.data.corpora.base import Corpus
from benchmark.data.manifest import Manifest
from benchmark.jobs.job import Job
from benchmark.models.probes.config import ProbeConfig
from benchmark.models.probes.normalize import encode
from benchmark.results.row import Row
from benchmark.results.store import ResultsStore
from benchmark.storage.artifacts import ArtifactStore
from benchmark.tasks.asr_probe import AsrProbe
from benchmark.tasks.base import RunContext
from benchmark.tokenizers.base import Tokenizer
from benchmark.training.trainer import TrainerConfig
from benchmark.types import SAMPLE_RATE, TokenizerSpec, Utterance

WORDS = ("go", "stop", "left", "right", "up", "down")
HOP = 320
HELD = 3
"""Frames per letter."""
ENTRIES = 64
SENTENCES = {"train": 48, "dev": 24, "test": 24}

HEALTHY = ProbeConfig(
    name="micro",
    embedding_dim=32,
    combine="sum",
    min_frame_rate=50,
    hidden_dim=32,
    layers=1,
    dropout=0.0,
    substitution=0.0,
    learning_rate=0.02,
    warmup=0.1,
    weight_decay=0.0,
    grad_clip=1.0,
    batch_size=8,
    steps_per_epoch=20,
    epochs=8,
    patience=None,
)


@dataclass(kw_only=True)
class Spelled(Corpus):
    """A corpus of sentences of three words; letter n is a tone of 400 + 100 n Hz."""

    folder: str

    def identity(self, split: str) -> dict[str, Any]:
        return super().identity(split)

    def build(self, split: str, folder: Path) -> Manifest:
        rng = np.random.default_rng(len(split))
        return Manifest(
            self._spell(f"{split}-{number:02d}", " ".join(rng.choice(WORDS, 3)))
            for number in range(SENTENCES[split])
        )

    def _spell(self, name: str, text: str) -> Utterance:
        path, time = Path(self.folder) / f"{name}.wav", np.arange(HELD * HOP) / SAMPLE_RATE
        tones = [np.sin(2 * np.pi * (400 + 100 * letter) * time) for letter in encode(text)]
        write_audio(path, 0.5 * np.concatenate(tones).astype(np.float32))
        return Utterance(name, str(path), name, *header(path), text=text)


@dataclass(kw_only=True)
class Tones(Tokenizer):
    """A tokenizer that recognises the letter of every 20 ms; a frame has one codebook per slot.

    Attributes:
        stacked: Slots of 20 ms in a frame, and so the number of codebooks.
        entries_used: Number of codebook entries in use; letters beyond share the last one.
    """

    stacked: int = 1
    entries_used: int = ENTRIES

    @property
    def spec(self) -> TokenizerSpec:
        rate, sizes = SAMPLE_RATE / HOP / self.stacked, (ENTRIES,) * self.stacked
        return TokenizerSpec(self.name, "acoustic", SAMPLE_RATE, rate, sizes, True, False, True)

    def _encode(self, wav: torch.Tensor, lengths: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        spectrum = torch.fft.rfft(wav.unflatten(-1, (-1, HOP))).abs()  # bins of 50 Hz
        letters = ((spectrum.argmax(-1) - 8) // 2).clamp(0, self.entries_used - 1)
        return letters.unflatten(-1, (-1, self.stacked)).transpose(1, 2), -(-lengths // (HOP * self.stacked))


@dataclass(kw_only=True)
class Noise(Tones):
    """A tokenizer whose codes say nothing about the speech."""

    def _encode(self, wav: torch.Tensor, lengths: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        codes, frames = super()._encode(wav, lengths)
        for row, samples in enumerate(lengths.tolist()):  # seeds of its own: no other utterance matters
            seed = torch.Generator().manual_seed(samples)
            codes[row] = torch.randint(ENTRIES, codes[row].shape, generator=seed)
        return codes, frames


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Spelled:
    return Spelled(name="spelled", folder=str(tmp_path_factory.mktemp("spelled")))


def probed(corpus: Spelled, folder: Path, tokenizer: Tokenizer, **changes: Any) -> Row:
    """Run a whole job and return the row of the ASR probe's WER."""
    trainer = TrainerConfig(accelerator="cpu", progress_bar=False)
    results = ResultsStore(folder / "results")
    Job(
        profile="test",
        tokenizer=tokenizer,
        corpus=corpus,
        task=AsrProbe(name="asr_probe", default_preset="micro", probe=replace(HEALTHY, **changes)),
        context=RunContext(store=ArtifactStore(folder / "cache"), trainer=trainer),
        results=results,
        config={},
    ).run()
    return next(
        row for row in results.job("asr_probe", tokenizer.name, "spelled", 0) if row.metric == "probe_wer"
    )


@pytest.mark.parametrize("stacked", [1, 4])
def test_a_healthy_tokenizer_is_read_at_50_and_by_the_rule_at_12_5_hz(corpus, tmp_path, stacked: int) -> None:
    row = probed(corpus, tmp_path, Tones(name="tones", stacked=stacked))
    assert (row.status, row.reason) == ("ok", "")
    assert row.value < 20
    assert row.notes["alignment"]["rule"] == ("frames as they are" if stacked == 1 else "every frame 4 times")
    assert row.notes["alignment"]["infeasible"] == {"train": 0, "dev": 0, "test": 0}


def test_a_collapsed_codebook_is_named(corpus, tmp_path) -> None:
    """Spaces keep a code of their own; all letters share one code."""
    row = probed(corpus, tmp_path, Tones(name="collapsed", entries_used=4), epochs=2)
    assert row.status == "NC"
    assert row.reason.startswith(
        "codebook collapse (0.64 of 6 bits per frame are used); dev not above the floor"
    )
    assert row.reason.endswith("task=codebook_usage tokenizer=collapsed")
    assert row.notes["training"]["codebook"]["used"] == [2 / ENTRIES]


def test_an_overfitted_probe_has_a_number_and_a_remark(corpus, tmp_path) -> None:
    row = probed(corpus, tmp_path, Noise(name="noise"))
    assert (row.status, row.reason, row.notes["training"]["diagnosis"]) == ("ok", "", "overfitted")
    assert row.remark.startswith("overfitted (training loss fell to ")
    assert "dev not above the floor: " in row.remark
    assert row.value > 60


def test_12_5_hz_without_the_rule_are_infeasible_for_ctc(corpus, tmp_path) -> None:
    row = probed(corpus, tmp_path, Tones(name="slow", stacked=4), min_frame_rate=12.5, epochs=3)
    assert row.status == "NC"
    assert row.reason.startswith("CTC infeasible (100 % of the training utterances have no alignment)")
    assert row.notes["alignment"]["infeasible"] == SENTENCES
    assert row.notes["alignment"]["rule"] == "frames as they are"


@pytest.mark.parametrize("learning_rate", [1e3, 1e30])
def test_a_learning_rate_far_too_high_diverges(corpus, tmp_path, learning_rate: float) -> None:
    changes = {"layers": 2, "schedule": "newbob", "epochs": 3}
    row = probed(corpus, tmp_path, Tones(name="tones"), learning_rate=learning_rate, **changes)
    assert row.status == "NC"
    assert re.match(r"diverged \((training loss up to|.* is (nan|inf) in epoch)", row.reason)
    training = row.notes["training"]
    assert len(training["curve"]) == len(training["curves"]["grad_norm"]) > 0
