"""Training of the vocoder by two CPU processes gives the result of one: unequal shares, discriminators, a
kill.
"""

import os
import socket
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch.multiprocessing import ProcessExitedException

from benchmark.models.vocoder.config import DiscriminatorConfig, VocoderConfig
from benchmark.models.vocoder.data import Batch
from benchmark.models.vocoder.module import VocoderModule
from benchmark.models.vocoder.train import train_vocoder
from benchmark.training.callbacks import read_history
from benchmark.training.report import read_report
from benchmark.training.trainer import TrainerConfig

MakeConfig = Callable[..., VocoderConfig]
ONE = TrainerConfig(accelerator="cpu", progress_bar=False)
TWO = replace(ONE, strategy="ddp", devices=2)


@pytest.fixture
def without_dropout(make_config: MakeConfig) -> VocoderConfig:
    """Make batches of three, so that the ranks' shares are two rows and one, and of two and one
    at the ends.
    """
    config = make_config(batch_size=3, steps=6)
    return replace(config, frontend=replace(config.frontend, dropout=0.0))


def train(corpus, config: VocoderConfig, folder: Path, trainer: TrainerConfig) -> None:
    folder.mkdir(exist_ok=True)
    data = corpus.tokens, corpus.manifest, corpus.tokens, corpus.manifest
    train_vocoder(corpus.spec, corpus.vectors, *data, config, trainer, 0, folder)


def assert_same(one: Path, other: Path) -> None:
    """Compare weights and every number of the curve, to rounding."""
    weights, others = (load_file(folder / "model.safetensors") for folder in (one, other))
    assert weights.keys() == others.keys()
    normed = any(name.endswith("running_var") for name in weights)
    for name, tensor in weights.items():
        if normed and name.endswith(("depthwise.bias", "norm.running_mean")):
            continue  # BatchNorm removes the bias again: its gradient is rounding, which Adam scales up
        torch.testing.assert_close(
            others[name], tensor, rtol=1e-3, atol=2e-5, msg=lambda m, n=name: f"{n}: {m}"
        )
    for row, expected in zip(read_history(other), read_history(one), strict=True):
        assert row == pytest.approx(expected, rel=1e-4)
    assert read_report(one)["steps"] == read_report(other)["steps"] == 6


def test_two_processes_learn_what_one_does(
    corpus, without_dropout: VocoderConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The port that an earlier training left in the environment is taken by another program meanwhile."""
    train(corpus, without_dropout, tmp_path / "one", ONE)
    with socket.create_server(("127.0.0.1", 0)) as other:
        monkeypatch.setenv("MASTER_PORT", str(other.getsockname()[1]))
        train(corpus, without_dropout, tmp_path / "two", TWO)
    assert_same(tmp_path / "one", tmp_path / "two")


class Mortal(VocoderModule):
    """Module whose rank 1 is killed at the fourth step, as the kernel does when memory runs out."""

    def training_step(self, batch: Batch) -> None:
        if self._step == 3 and self.global_rank == 1:
            os._exit(9)
        super().training_step(batch)


def test_a_killed_rank_ends_the_run_which_then_resumes_to_the_same_weights(
    corpus,
    without_dropout: VocoderConfig,
    small_discriminators: DiscriminatorConfig,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    config = replace(
        without_dropout,
        discriminators=small_discriminators,
        frontend=replace(without_dropout.frontend, conv_norm="batch"),
        adversarial_start=0.3,
    )
    train(corpus, config, tmp_path / "one", ONE)
    with monkeypatch.context() as patch, pytest.raises(ProcessExitedException):
        patch.setattr("benchmark.models.vocoder.train.VocoderModule", Mortal)
        train(corpus, config, tmp_path / "two", TWO)
    assert len(read_history(tmp_path / "two")) == 1
    train(corpus, config, tmp_path / "two", TWO)  # a training of a probe goes on in one process
    assert_same(tmp_path / "one", tmp_path / "two")
