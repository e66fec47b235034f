"""The presets of the survey (arXiv 2502.06490v4): size, units, schedule, and selection of the epoch."""

from copy import deepcopy
from dataclasses import fields
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from hydra import compose, initialize_config_dir
from safetensors.torch import load_file

from benchmark.jobs.build import build
from benchmark.models.probes.classifier import ERROR_THEN_LOSS, IntentProbe
from benchmark.models.probes.config import ProbeConfig
from benchmark.models.probes.ctc import CTCProbe
from benchmark.models.probes.data import Batch
from benchmark.models.probes.normalize import ALPHABET, BLANK
from benchmark.models.probes.targets import Intents, Target, Transcripts
from benchmark.models.probes.train import train_probe
from benchmark.models.probes.training import Examples
from benchmark.models.probes.units import CHARACTERS, CharactersAndEnds, units_of
from benchmark.training.callbacks import read_history
from benchmark.training.report import read_report
from tests.models.probes.conftest import training

CONF = Path(__file__).resolve().parents[3] / "conf"
UNITS = CharactersAndEnds()
SIZES = {"name", "embedding_dim", "hidden_dim", "learning_rate", "grad_clip", "batch_size", "beam"}


@cache
def preset(name: str) -> ProbeConfig:
    """Return the preset of one task."""
    with initialize_config_dir(str(CONF), version_base="1.3"):
        config = compose("config", overrides=[f"probe={name}"])
    made: ProbeConfig = build(config["asr_probe" if name.startswith("asr") else "intent_probe"])
    return made


@pytest.mark.parametrize("books", [1, 2, 8])
def test_both_probes_have_43_million_parameters_beside_their_tables(books: int, make_spec) -> None:
    """Count the attention over codebooks, the BiLSTM and the output, as the survey's 43 M do."""
    spec = make_spec((1024,) * books)
    with torch.device("meta"):
        probes = CTCProbe(spec, preset("asr_survey"), UNITS), IntentProbe(spec, preset("intent_survey"), 18)
    for probe in probes:
        table = probe.frontend.embedding.weight.numel()
        assert table == (1 + 1024 * books) * 1024
        assert (sum(p.numel() for p in probe.parameters()) - table) / 1e6 == pytest.approx(43.1, abs=0.05)
        assert probe.frontend.upsampling == 1


def test_the_recipe_is_the_published_one() -> None:
    asr, intent = preset("asr_survey"), preset("intent_survey")
    assert (asr.learning_rate, asr.weight_decay, asr.batch_size, asr.dropout, asr.beam) == (
        1e-4,
        5e-4,
        4,
        0.2,
        100,
    )
    assert (intent.learning_rate, intent.weight_decay, intent.batch_size, intent.dropout) == (
        2e-4,
        0.0,
        2,
        0.0,
    )
    for config in (asr, intent):
        assert (config.schedule, config.epochs, config.patience, config.select) == (
            "newbob",
            20,
            None,
            "loss",
        )
    assert (asr.batching, intent.batching) == ("ascending", "random")
    assert [asr.upsampling(rate) for rate in (12.5, 25.0, 50.0, 75.0)] == [4, 2, 1, 1]
    assert [intent.upsampling(rate) for rate in (12.5, 25.0, 50.0, 75.0)] == [1, 1, 1, 1]
    assert asr.reader == "BiLSTM CTC over tokens to 31 units, prefix beam of 100 without language model"


@pytest.mark.parametrize("task", ["asr", "intent"])
def test_the_mini_preset_differs_in_sizes_alone(task: str) -> None:
    full, mini = preset(f"{task}_survey"), preset(f"{task}_survey_mini")
    changed = {item.name for item in fields(full) if getattr(full, item.name) != getattr(mini, item.name)}
    assert {"hidden_dim", "name"} < changed <= SIZES


def test_there_are_31_units_of_which_28_are_characters(make_spec, tmp_path: Path) -> None:
    assert len(UNITS.symbols) == UNITS.num_labels == len(set(UNITS.symbols)) == 31
    assert sum(len(symbol) == 1 and symbol.isalpha() for symbol in UNITS.symbols) == 26
    assert UNITS.symbols.index("<blank>") == BLANK
    assert UNITS.decode(UNITS.encode(ALPHABET)) == ALPHABET
    assert [UNITS.symbols[label] for label in UNITS.encode("don't a")] == list("don't a")
    assert UNITS.decode([1, *UNITS.encode("go"), 2]) == "go", "the ends of a sentence spell nothing"
    assert len(CHARACTERS.encode(ALPHABET)) == len(UNITS.encode(ALPHABET)) == CHARACTERS.num_labels - 1
    config = preset("asr_survey_mini")
    assert CTCProbe(make_spec(), config, units_of(config, tmp_path)).output.out_features == 31


def test_without_weight_decay_the_optimiser_is_adam(make_spec, make_config, monkeypatch) -> None:
    monkeypatch.setattr(IntentProbe, "trainer", SimpleNamespace(estimated_stepping_batches=10))
    config = make_config(weight_decay=preset("intent_survey").weight_decay, warmup=0.0, learning_rate=2e-4)
    probe = IntentProbe(make_spec((16,)), config, 4)
    twin = deepcopy(probe)
    own = probe.configure_optimizers()["optimizer"]
    adam = torch.optim.Adam(twin.parameters(), lr=2e-4)
    for seed in range(3):
        for network in (probe, twin):
            torch.manual_seed(seed)
            for parameter in network.parameters():
                parameter.grad = torch.randn_like(parameter)
        own.step()
        adam.step()
    for parameter, expected in zip(probe.parameters(), twin.parameters(), strict=True):
        assert torch.equal(parameter, expected)


LOSS = [4.0, 3.0, 2.995, 2.99, 2.0, 2.1, 1.999, 2.5]
"""Dev losses by epoch. The third and fourth fall by 0.17 %, which is too little; sixth and last rise."""
RATES = [1, 1, 1, 0.8, 0.64, 0.64, 0.512, 0.512]
"""Share of the learning rate in each epoch: ×0.8 after an epoch that gained less than 0.25 %."""
ERROR = [0.9, 0.5, 0.6, 0.4, 0.8, 0.2, 0.7, 0.6]
"""Dev errors by epoch; they gain less than 0.25 % in the third, fifth and seventh."""
RATES_BY_ERROR = [1, 1, 1, 0.8, 0.8, 0.64, 0.64, 0.512]
TEXTS = {f"u{number}": text for number, text in enumerate(["go left", "go right", "stop", "go up"])}


@pytest.fixture
def trained(make_store, make_spec, make_config, tmp_path: Path):
    """Train for as many epochs as the curves have, one step each; return the folder."""

    def train(target: type[Target], answers: dict[str, str], **changes: Any) -> Path:
        split = Examples(
            make_store({key: np.repeat(CHARACTERS.encode(t), 3)[None] for key, t in TEXTS.items()}), answers
        )
        config = make_config(schedule="newbob", steps_per_epoch=1, epochs=len(LOSS), **changes)
        train_probe(target, training(make_spec(), split, config, tmp_path))
        return tmp_path

    return train


def assert_curve(folder: Path, best: int, rates: list[float], outputs: list[torch.Tensor]) -> None:
    """Check the kept epoch, its weights, and the learning rate of every epoch."""
    history = read_history(folder)
    assert [row["dev_loss"] for row in history] == pytest.approx(LOSS)
    assert [row["learning_rate"] / history[0]["learning_rate"] for row in history] == pytest.approx(rates)
    assert read_report(folder)["best_epoch"] == best
    assert torch.equal(load_file(folder / "model.safetensors")["output.bias"], outputs[best])
    assert all(not torch.equal(outputs[best], other) for e, other in enumerate(outputs) if e != best)


@pytest.mark.parametrize(("select", "best"), [("loss", 6), ("wer", 1)])
def test_asr_anneals_and_selects_by_hand_made_dev_losses(
    select: str, best: int, trained, monkeypatch
) -> None:
    outputs = []

    def judge(self: CTCProbe, batch: Batch) -> tuple[torch.Tensor, list[str]]:
        epoch = self.current_epoch
        outputs.append(self.output.bias.detach().clone())
        right = [
            self.units.decode(row[:n])
            for row, n in zip(batch.labels.tolist(), batch.label_lengths, strict=True)
        ]
        return torch.tensor(LOSS[epoch]), right if epoch == 1 else [""] * len(right)

    monkeypatch.setattr(CTCProbe, "judge", judge)
    folder = trained(Transcripts, TEXTS, select=select, units="characters_31")
    assert_curve(folder, best, RATES, outputs)


@pytest.mark.parametrize(("select", "best", "rates"), [("loss", 6, RATES), ("cer", 5, RATES_BY_ERROR)])
def test_intents_anneal_and_select_by_hand_made_dev_losses(
    select: str, best: int, rates: list[float], trained, monkeypatch
) -> None:
    outputs = []

    def end(self: IntentProbe) -> None:
        epoch = self.current_epoch
        outputs.append(self.output.bias.detach().clone())
        scalars = {"dev_loss": LOSS[epoch], "dev_error": ERROR[epoch], ERROR_THEN_LOSS: ERROR[epoch]}
        for name, value in scalars.items():
            self.log(name, value)

    monkeypatch.setattr(IntentProbe, "on_validation_epoch_end", end)
    folder = trained(Intents, {key: text.split()[0] for key, text in TEXTS.items()}, select=select)
    assert_curve(folder, best, rates, outputs)
