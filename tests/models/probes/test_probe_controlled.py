"""The controlled recipe: pilots that pick the learning rate, NewBob, early stopping, and resuming all of
them.
"""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from benchmark.errors import UserError
from benchmark.models.probes.ctc import CTCProbe
from benchmark.models.probes.module import learning_rate_factor
from benchmark.models.probes.normalize import encode
from benchmark.models.probes.predict import classify, infeasible, transcribe
from benchmark.models.probes.scores import word_error_rate
from benchmark.models.probes.targets import Intents, Transcripts
from benchmark.models.probes.train import train_probe
from benchmark.models.probes.training import Examples
from benchmark.training.callbacks import read_history
from benchmark.training.report import read_report
from tests.models.probes.conftest import assert_resumes, training

TEXTS = {
    f"u{number}": text
    for number, text in enumerate(
        ["go left", "go right", "stop now", "stop left", "go up", "left up now", "right now", "up up go"]
    )
}
SPOKEN = {key: np.repeat(encode(text), 3)[None] for key, text in TEXTS.items()}


@pytest.fixture
def asr(make_store, make_spec, make_config, tmp_path: Path):
    """Train on eight sentences that also serve as dev."""

    def train(folder: str = "probe", vectors: torch.Tensor | None = None, **changes: Any) -> Path:
        path, store = tmp_path / folder, make_store(SPOKEN)
        path.mkdir(exist_ok=True)
        config = make_config(**changes)
        train_probe(Transcripts, training(make_spec(), Examples(store, TEXTS), config, path, vectors=vectors))
        answers = transcribe(path, make_spec(), store, list(TEXTS), config, "cpu")
        rate = word_error_rate(list(TEXTS.values()), list(answers.values()))
        assert read_report(path)["dev"]["wer"] == pytest.approx(rate)
        return path

    return train


GRID = {"learning_rate": [1e-6, 0.02, 30.0], "pilot_epochs": 2}


def test_a_learning_rate_at_the_edge_of_those_tried_is_said(asr, caplog: pytest.LogCaptureFixture) -> None:
    found = read_report(asr(learning_rate=[1e-6, 1e-5, 0.02], pilot_epochs=2))["learning_rate"]
    assert found["at_edge"] == "the learning rate 0.02, picked on dev, is the largest of 1e-06, 1e-05, 0.02"
    assert found["at_edge"] in caplog.text
    assert read_report(asr("single", learning_rate=0.02))["learning_rate"]["at_edge"] == ""


def test_pilots_pick_the_learning_rate_that_learns_and_are_kept(asr) -> None:
    folder = asr(**GRID)
    report = read_report(folder)
    assert report["learning_rate"]["picked"] == 0.02 and report["learning_rate"]["at_edge"] == ""
    pilots = report["learning_rate"]["pilots"]
    assert [pilot["learning_rate"] for pilot in pilots] == GRID["learning_rate"]
    assert all(len(pilot["curve"]) == 2 for pilot in pilots)
    assert all(pilots[1]["dev_loss"] < pilots[other]["dev_loss"] for other in (0, 2))
    assert report["status"] == "ok" and len(report["curve"]) == 6
    assert not list(folder.rglob("*.ckpt"))


def test_the_picked_rate_trains_as_if_it_were_given(asr) -> None:
    picked, given = asr("picked", **GRID), asr("given", learning_rate=0.02)
    for name in ("model.safetensors", "history.csv"):
        assert (picked / name).read_bytes() == (given / name).read_bytes()


def test_a_rate_that_diverges_never_wins(asr) -> None:
    report = read_report(asr(learning_rate=[1e30, 0.02], pilot_epochs=1, epochs=1))
    assert report["learning_rate"]["picked"] == 0.02
    assert math.isinf(report["learning_rate"]["pilots"][0]["score"])


@pytest.mark.parametrize("dies_in", [4, 7])
def test_a_killed_run_repeats_no_pilot_and_ends_with_the_same_bits(
    asr, monkeypatch: pytest.MonkeyPatch, dies_in: int
) -> None:
    """Run two pilots of two epochs, then four epochs; kill once in the second pilot and once in
    the training.
    """
    changes = {
        "learning_rate": [0.01, 0.02],
        "pilot_epochs": 2,
        "epochs": 4,
        "steps_per_epoch": 4,
        "dropout": 0.2,
        "layers": 2,
        "schedule": "newbob",
    }
    also = "pilots/0.01/history.csv", "pilots/0.02/report.json"
    left = assert_resumes(asr, CTCProbe, monkeypatch, dies_in, also, **changes)
    assert left == 8 - (dies_in - 1)


def test_a_capped_batch_makes_more_steps_and_the_schedule_follows(
    asr, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Train on eight sentences of about half a second, two per batch: four steps an epoch, the last at rate
    zero.
    """
    step, rates = CTCProbe.training_step, []
    monkeypatch.setattr(
        CTCProbe,
        "training_step",
        lambda self, batch: (rates.append(self.optimizers().param_groups[0]["lr"]), step(self, batch))[1],
    )
    asr(steps_per_epoch=None, batch_seconds=1.1, epochs=5, warmup=0.05)
    assert len(rates) == 4 * 5
    assert rates[0] == max(rates) == 0.02
    assert rates[-1] == pytest.approx(0.02 * learning_rate_factor(19, 1, 20))


def test_newbob_lowers_the_rate_after_an_epoch_without_gain(asr) -> None:
    history = read_history(asr(schedule="newbob", learning_rate=0.3, epochs=8, steps_per_epoch=3, warmup=0.0))
    rate, before = 0.3, math.inf
    for row in history:
        assert row["learning_rate"] == pytest.approx(rate)
        if before < math.inf and (before - row["dev_loss"]) / before < 0.0025:
            rate *= 0.8
        before = row["dev_loss"]
    assert 0.3 * 0.8**7 < rate < 0.3


def test_training_stops_when_dev_no_longer_improves(asr) -> None:
    report = read_report(asr(learning_rate=1e-9, epochs=9, steps_per_epoch=1, patience=2))
    assert len(report["curve"]) == 3
    assert report["best_epoch"] == 0


def test_the_epoch_is_picked_by_the_score_of_the_config(asr) -> None:
    report, history = read_report(folder := asr(select="wer", epochs=5)), read_history(folder)
    assert report["best_epoch"] == int(np.argmin([row["dev_wer"] for row in history]))


def test_codebook_vectors_are_learned_from_and_come_back(asr) -> None:
    vectors = torch.randn(1, 40, 10, generator=torch.Generator().manual_seed(1))
    folder = asr(init="codebook", freeze=True, vectors=vectors, epochs=10)
    report = read_report(folder)
    assert report["status"] == "ok"
    assert report["dev"]["wer"] < 0.5
    frozen = 41 * 10
    whole = read_report(asr("trained", init="codebook", vectors=vectors, epochs=1))["parameters"]
    assert report["parameters"] == whole - frozen


def test_a_tokenizer_without_vectors_is_named(asr) -> None:
    with pytest.raises(UserError, match=r"init=codebook.*'toy'.*init=random"):
        asr(init="codebook")


def test_pieces_of_words_and_a_beam_are_learned_too(asr, make_store, make_spec, make_config) -> None:
    changes = {"units": "bpe", "bpe_size": 40, "beam": 5, "epochs": 10}
    folder = asr(**changes)
    report = read_report(folder)
    assert report["units"] == 40
    assert report["dev"]["wer"] == 0.0
    config, store = make_config(**changes), make_store(SPOKEN)
    assert infeasible(folder, make_spec(), store, TEXTS, config) == 0
    greedy = transcribe(folder, make_spec(), store, list(TEXTS), replace(config, beam=None), "cpu")
    assert list(greedy.values()) == list(TEXTS.values())


def test_intents_take_pilots_and_vectors_as_well(make_store, make_spec, make_config, tmp_path: Path) -> None:
    labels = {key: f"move_{text.split()[0]}" for key, text in TEXTS.items()}
    store, spec = make_store(SPOKEN), make_spec()
    vectors = torch.randn(1, 40, 10, generator=torch.Generator().manual_seed(1))
    config = make_config(
        learning_rate=[1e-6, 0.02], pilot_epochs=1, init="codebook", projection_dim=8, schedule="newbob"
    )
    train_probe(Intents, training(spec, Examples(store, labels), config, tmp_path, vectors=vectors))
    assert read_report(tmp_path)["learning_rate"]["picked"] == 0.02
    assert classify(tmp_path, spec, store, list(labels), config, "cpu") == labels
