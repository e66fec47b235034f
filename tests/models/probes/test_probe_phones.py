"""The phone probe: one label per upsampled frame, independence of the batch, learning, and the verdict."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmark.models.probes.classifier import UNSEEN
from benchmark.models.probes.data import Batch
from benchmark.models.probes.frontend import PADDING
from benchmark.models.probes.phones import PhoneProbe
from benchmark.models.probes.predict import phones_by_frame
from benchmark.models.probes.scores import labels_wrong
from benchmark.models.probes.targets import FramePhones
from benchmark.models.probes.train import train_probe
from benchmark.models.probes.training import Examples
from benchmark.training.report import read_report
from tests.models.probes.conftest import assert_resumes, training

LENGTHS = torch.tensor([5, 3])
CODES = torch.randint(0, 16, (2, 1, 5), generator=torch.Generator().manual_seed(0))
CODES[1, :, 3:] = PADDING
LABELS = torch.tensor([[1, 2, 3, 1, 2, 3, 1, 2, 3, 0], [4, 4, 4, 4, 4, 0, 0, 0, 0, 0]])
"""Labels at twice the frame rate; the last frame of each utterance is a phone that training never showed."""
BATCH = Batch(CODES, LENGTHS, LABELS, torch.tensor([10, 6]))


@pytest.fixture
def probe(make_spec, make_config) -> PhoneProbe:
    torch.manual_seed(0)
    return PhoneProbe(make_spec((16,), frame_rate=25), make_config(), num_phones=4).eval()


def test_an_answer_does_not_depend_on_the_batch(probe: PhoneProbe) -> None:
    together, answers = probe(CODES, LENGTHS), probe.predict(CODES, LENGTHS)
    assert [len(row) for row in answers] == [10, 6]
    for row, length in enumerate(LENGTHS.tolist()):
        codes, lengths = CODES[row : row + 1, :, :length], LENGTHS[row : row + 1]
        torch.testing.assert_close(probe(codes, lengths)[0], together[row, : 2 * length])
        assert probe.predict(codes, lengths) == [answers[row]]


def test_the_loss_knows_neither_padding_nor_unknown_phones(probe: PhoneProbe) -> None:
    scores = probe(CODES, LENGTHS)
    each = [
        torch.nn.functional.cross_entropy(scores[row, :known], LABELS[row, :known] - 1)
        for row, known in ((0, 9), (1, 5))
    ]
    torch.testing.assert_close(probe.loss(BATCH), torch.stack(each).mean())
    probe.loss(BATCH).backward()
    assert all(parameter.grad.abs().sum() > 0 for parameter in probe.parameters())


@torch.no_grad()
def test_dev_error_is_over_all_frames_and_an_unknown_phone_is_wrong(probe: PhoneProbe) -> None:
    logged: dict[str, float] = {}
    probe.log = lambda name, value, **_: logged.__setitem__(name, float(value))
    probe.on_validation_epoch_start()
    for row, length in enumerate(LENGTHS.tolist()):  # batches of unequal length count by their frames
        labels = LABELS[row : row + 1, : 2 * length]
        batch = (CODES[row : row + 1, :, :length], LENGTHS[row : row + 1], labels, BATCH[3][row : row + 1])
        probe.validation_step(Batch(*batch))
    probe.on_validation_epoch_end()
    answers = probe.predict(CODES, LENGTHS)
    right = sum(
        a + 1 == b for row, own in enumerate(answers) for a, b in zip(own, LABELS[row].tolist(), strict=False)
    )
    assert UNSEEN == 0
    assert logged["dev_error"] == pytest.approx(1 - right / 16)
    scores = probe(CODES, LENGTHS)
    known = torch.cat([scores[0, :9], scores[1, :5]]), torch.tensor([0, 1, 2] * 3 + [3] * 5)
    assert logged["dev_loss"] == pytest.approx(torch.nn.functional.cross_entropy(*known).item(), rel=1e-5)


def test_frames_are_compared_one_by_one() -> None:
    assert labels_wrong(["a", "a", "sil"], ["a", "b", "a"]) == 2
    with pytest.raises(ValueError, match="shorter"):
        labels_wrong(["a"], [])


def utterances(count: int, seed: int, frame_factor: int) -> tuple[dict, dict]:
    """Return codes (1, T), with two codes for each phone, and the phones of the upsampled frames."""
    rng = np.random.default_rng(seed)
    codes, phones = {}, {}
    for number in range(count):
        drawn = np.repeat(rng.integers(0, 5, 8), rng.integers(2, 5, 8))
        codes[f"u{number:02d}"] = (2 * drawn + rng.integers(0, 2, len(drawn)))[None]
        phones[f"u{number:02d}"] = ["aeiou"[phone] for phone in np.repeat(drawn, frame_factor)]
    return codes, phones


@pytest.fixture
def train(make_store, make_spec, make_config, tmp_path: Path):
    def run(frame_rate: float = 50.0, noise: bool = False, folder: str = "probe", change=None, **changes):
        config = make_config(**{"epochs": 3} | changes)
        factor = config.upsampling(frame_rate)
        splits = [utterances(count, seed, factor) for count, seed in ((24, 1), (12, 2))]
        if noise:
            rng = np.random.default_rng(0)
            splits = [({k: rng.permuted(v, axis=1) for k, v in codes.items()}, by) for codes, by in splits]
        (codes, phones), (dev_codes, dev_phones) = splits
        if change:
            change(dev_phones)
        stores = make_store(codes), make_store(dev_codes)
        path, spec = tmp_path / folder, make_spec(frame_rate=frame_rate)
        path.mkdir(exist_ok=True)
        split, dev = Examples(stores[0], phones), Examples(stores[1], dev_phones)
        train_probe(FramePhones, training(spec, split, config, path, dev))
        answers = phones_by_frame(path, spec, stores[1], list(dev_codes), config, "cpu")
        wrong = sum(labels_wrong(dev_phones[key], answers[key]) for key in dev_phones)
        frames = sum(map(len, dev_phones.values()))
        assert read_report(path)["dev"]["error"] == pytest.approx(wrong / frames)
        return path

    return run


@pytest.mark.parametrize("frame_rate", [50.0, 12.5])
def test_phones_that_the_codes_tell_are_learned(train, frame_rate: float) -> None:
    folder = train(frame_rate)
    report = read_report(folder)
    assert report["status"] == "ok" and report["reason"] == ""
    assert report["dev"]["error"] < 0.05
    assert report["floor"]["error"] > 0.6
    assert report["phones"] == 5
    assert json.loads((folder / "labels.json").read_text()) == list("aeiou")


def test_codes_out_of_order_are_no_better_than_a_constant(train) -> None:
    report = read_report(train(noise=True, epochs=1, steps_per_epoch=6))
    assert report["diagnosis"] in ("did not learn", "overfitted")
    assert "dev not above the floor" in report["reason"]


def test_a_phone_that_training_never_showed_is_an_error(train) -> None:
    def rename(phones) -> None:
        phones["u00"] = ["new"] * len(phones["u00"])

    report = read_report(train(change=rename))
    frames = len(utterances(12, 2, 1)[1]["u00"])
    assert report["unseen_phones"] == {"dev": frames}
    assert report["dev"]["error"] > frames / sum(map(len, utterances(12, 2, 1)[1].values())) - 1e-9


def test_phones_that_do_not_fit_the_frames_are_refused(train) -> None:
    with pytest.raises(ValueError, match="phones for"):
        train(change=lambda phones: phones["u00"].pop())


def test_a_killed_training_ends_with_the_same_bits(train, monkeypatch: pytest.MonkeyPatch) -> None:
    changes = {"steps_per_epoch": 4, "dropout": 0.2, "layers": 2, "substitution": 0.1}
    assert_resumes(train, PhoneProbe, monkeypatch, dies_in=2, **changes)
