"""Cached prompt features: built over several interrupted runs, cut to the prompt, refused on a full disk."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from benchmark.errors import UserError
from benchmark.models.vocoder.config import PromptConfig, VocoderConfig
from benchmark.models.vocoder.data import KeptFeatures, VocoderItems, collate
from benchmark.models.vocoder.features import prompt_identity, prompt_store
from benchmark.models.vocoder.frame_rates import FrameRates
from benchmark.storage.artifacts import ArtifactStore

MakeConfig = Callable[..., VocoderConfig]
WHISPER = PromptConfig(features="whisper", checkpoint="unused", layer=None)


class SlotEncoder:
    """Encoder whose frame t holds t and the mean of the samples of slot t."""

    features = 2
    heard = 0

    def __call__(self, wav: torch.Tensor, lengths: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        SlotEncoder.heard += 1
        slots = wav[:, : wav.shape[1] // 320 * 320].unflatten(1, (-1, 320)).mean(dim=2)
        return torch.stack([torch.arange(slots.shape[1]).expand_as(slots), slots], dim=2), lengths // 320


@pytest.fixture(autouse=True)
def no_checkpoint(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmark.models.vocoder.features.resolve", lambda checkpoint, _: Path(checkpoint))
    monkeypatch.setattr(
        "benchmark.models.vocoder.features.weights_digest", lambda folder: f"digest of {folder}"
    )


def test_prompt_features_are_computed_once_and_cut_to_the_prompt(
    corpus, make_config: MakeConfig, tmp_path: Path
) -> None:
    store, before = ArtifactStore(tmp_path), SlotEncoder.heard
    for _ in range(2):
        prompts = prompt_store(WHISPER, SlotEncoder(), corpus.manifest, store, "cpu")
    assert SlotEncoder.heard - before == len(corpus.manifest)
    for offset in (0, 40):
        rates, config = FrameRates(50, offset), make_config()
        sounds = VocoderItems(corpus.tokens, corpus.manifest, rates, config)
        items = VocoderItems(corpus.tokens, corpus.manifest, rates, config, features=KeptFeatures(prompts))
        for draw in [(index, seed) for index in range(5) for seed in range(4)]:
            kept, sound = items[draw], sounds[draw]
            assert torch.equal(kept.wav, sound.wav) and kept.segment == sound.segment
            assert (
                kept.prompt.dtype == torch.float16
                and 0 <= sound.prompt.shape[0] // 320 - len(kept.prompt) <= 1
            )
            if offset == 0:
                means = sound.prompt.unflatten(0, (-1, 320)).mean(dim=1)
                torch.testing.assert_close(kept.prompt[:, 1].float(), means, atol=1e-3, rtol=1e-2)
            assert (kept.prompt[:, 0].diff() == 1).all()
    batch = collate([items[0, 0], items[4, 0]])
    assert batch.prompt.shape == (2, batch.prompt_lengths.max(), 2)


def test_a_full_disk_is_told_before_anything_is_written(
    corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=(1 << 30) + 1000))
    with caplog.at_level("INFO"), pytest.raises(UserError, match=r"0.00 GB; .* has 1.07 GB free\. Set paths"):
        prompt_store(WHISPER, SlotEncoder(), corpus.manifest, ArtifactStore(tmp_path), "cpu")
    assert "caching prompts features: 0.0 h of speech need" in caplog.text


def test_the_encoder_is_part_of_the_key() -> None:
    keys = [
        prompt_identity(config)
        for config in (
            WHISPER,
            replace(WHISPER, checkpoint="other"),
            replace(WHISPER, layer=3),
            PromptConfig(features="wavlm", checkpoint="unused"),
            PromptConfig(features="wavlm", random_weights=True),
            PromptConfig(features="mel", checkpoint="unused"),
        )
    ]
    assert len({str(key) for key in keys}) == len(keys)
    assert prompt_identity(PromptConfig(features="mel", checkpoint="other")) == keys[-1]


def test_mel_prompts_are_not_kept(corpus, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"prompt\.cache=false"):
        prompt_store(
            PromptConfig(features="mel"), SlotEncoder(), corpus.manifest, ArtifactStore(tmp_path), "cpu"
        )
