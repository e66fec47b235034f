"""Monitoring of validation: meaningful pitch errors, and media for the loggers that take them."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from benchmark.extractors.f0.extractors import Dio
from benchmark.models.vocoder.config import VocoderConfig
from benchmark.models.vocoder.dev_monitor import pitch_error
from benchmark.models.vocoder.train import train_vocoder
from benchmark.training.callbacks import read_history
from benchmark.training.trainer import TrainerConfig


def sound(pitch: float) -> np.ndarray:
    time = np.arange(16_000) / 16_000
    return (0.1 * sum(np.sin(2 * np.pi * pitch * k * time) / k for k in range(1, 12))).astype(np.float32)


@pytest.mark.parametrize(("pitch", "low", "high"), [(120, 0, 0), (130, 0, 5), (180, 95, 100), (0, 100, 100)])
def test_pitch_error_counts_what_is_off_and_what_is_unvoiced(pitch: float, low: float, high: float) -> None:
    reference = Dio().track(sound(120).astype(np.float64))
    wav = sound(pitch) if pitch else np.zeros(16_000, np.float32)
    assert low <= pitch_error([reference], [wav]) <= high


def test_pitch_error_of_broken_and_of_unvoiced_speech() -> None:
    reference, broken = Dio().track(sound(120).astype(np.float64)), np.full(16_000, np.nan, np.float32)
    assert pitch_error([reference], [broken]) == 100
    assert pitch_error([np.zeros(101)], [sound(120)]) == 0


def test_loggers_get_what_they_can_take(
    corpus, make_config: Callable[..., VocoderConfig], tmp_path: Path
) -> None:
    loggers = {"board": TensorBoardLogger(tmp_path), "csv": CSVLogger(tmp_path)}
    trainer = TrainerConfig(accelerator="cpu", progress_bar=False, loggers=loggers)
    data = corpus.tokens, corpus.manifest, corpus.tokens, corpus.manifest
    (tmp_path / "run").mkdir()
    train_vocoder(corpus.spec, corpus.vectors, *data, make_config(steps=4), trainer, 0, tmp_path / "run")
    events = EventAccumulator(loggers["board"].log_dir, {"audio": 0, "images": 0})
    events.Reload()
    names = [f"val/{kind}_{n}" for kind in ("recording", "synthesis") for n in (0, 1)]
    assert set(names) <= set(events.Tags()["audio"]) and "val/mel_1" in events.Tags()["images"]
    heard = events.Audio("val/recording_0")
    assert [event.step for event in heard] == [0, 1] and heard[0].sample_rate == 16_000
    picture = events.Images("val/mel_0")[0]
    assert picture.height == 160 and picture.width > 20
    assert all(0 <= row["val/pitch_error"] <= 100 for row in read_history(tmp_path / "run"))
