"""Key and training of a vocoder: both depend on the seed of the run."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from benchmark.models.vocoder.config import VocoderConfig
from benchmark.storage.artifacts import ArtifactStore
from benchmark.tasks.base import RunContext
from benchmark.tasks.decoding import trained_vocoder
from benchmark.tokenizers.mel_rvq import MelRvq


def test_every_seed_trains_a_vocoder_of_its_own(
    voices: Any, context: RunContext, store: ArtifactStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    seeds: list[int] = []

    def train(*args: Any) -> None:
        seeds.append(args[8])
        (args[9] / "weights").write_text("trained")

    monkeypatch.setattr("benchmark.models.vocoder.train.train_vocoder", train)
    monkeypatch.setattr(trained_vocoder, "encode_manifest", lambda *_: None)
    monkeypatch.setattr(trained_vocoder, "prompt_identity", lambda _: {})
    monkeypatch.setattr(MelRvq, "codebook_vectors", lambda _: None)
    config = VocoderConfig(name="unused")
    folders: list[Path] = [
        trained_vocoder.trained_vocoder(MelRvq(name="mel_rvq"), voices, config, replace(context, seed=seed))
        for seed in (0, 1, 1)
    ]
    assert seeds == [0, 1]
    assert folders[0] != folders[1] == folders[2]
    assert {f"vocoders/{folder.name}" for folder in folders} <= store.used
