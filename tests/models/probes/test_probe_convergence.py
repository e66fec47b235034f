"""Each cause of a verdict, provoked on purpose and distinguished from the others."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmark.models.probes.normalize import encode
from benchmark.models.probes.targets import Transcripts
from benchmark.models.probes.train import train_probe
from benchmark.models.probes.training import Examples
from benchmark.training.convergence import codebook_use
from benchmark.training.report import read_report
from tests.models.probes.conftest import training

WORDS = ("go", "stop", "left", "right", "up", "down")


def test_use_is_counted_by_codebook(make_store, make_spec) -> None:
    codes = {"a": np.array([[0, 1, 2, 3], [5, 5, 5, 5]]), "b": np.array([[0, 1, 2, 3], [5, 5, 5, 5]])}
    use = codebook_use(make_store({**codes, "c": np.full((2, 4), 7)}), ["a", "b"], make_spec((8, 16)))
    assert use == {"used": [0.5, 1 / 16], "perplexity": [4.0, 1.0], "bits": 2.0, "nominal_bits": 7.0}


@pytest.fixture
def report(make_store, make_spec, make_config, tmp_path: Path) -> Callable[..., dict[str, Any]]:
    """Return the report of a short training on 24 sentences, with other sentences as dev."""

    def train(speak: Callable[[str], np.ndarray], frame_rate: float = 50.0, **changes: Any) -> dict[str, Any]:
        rng = np.random.default_rng(0)
        splits = [{f"u{i:02d}": " ".join(rng.choice(WORDS, 3)) for i in range(24)} for _ in range(2)]
        stores = [make_store({key: speak(text) for key, text in texts.items()}) for texts in splits]
        spec = make_spec(frame_rate=frame_rate)
        config = make_config(**{"epochs": 2, "steps_per_epoch": 6} | changes)
        split, dev = (Examples(store, texts) for store, texts in zip(stores, splits, strict=True))
        train_probe(Transcripts, training(spec, split, config, tmp_path, dev, seed=0))
        return read_report(tmp_path)

    return train


def spoken(text: str, frames: int = 3) -> np.ndarray:
    return np.repeat(encode(text), frames)[None]


@pytest.mark.parametrize(
    ("cause", "speak", "changes"),
    [
        ("codebook collapse", lambda text: (spoken(text) > 15).astype(int), {}),
        ("CTC infeasible", lambda text: spoken(text)[:, ::4], {"frame_rate": 12.5, "min_frame_rate": 12.5}),
        ("diverged", spoken, {"learning_rate": 30.0}),
        (
            "did not learn",
            lambda text: np.random.default_rng(len(text)).permuted(spoken(text), axis=1),
            {"learning_rate": 1e-4},
        ),
    ],
)
def test_every_failure_has_its_own_diagnosis(report, cause: str, speak: Any, changes: dict[str, Any]) -> None:
    found = report(speak, **changes)
    assert found["status"] == "NC"
    assert found["diagnosis"] == cause
    assert found["reason"].startswith(f"{cause} (")
    assert len(found["curves"]["grad_norm"]) == len(found["curve"]) == 2
    assert found["untrained_loss"] > 0 or cause == "CTC infeasible"


def test_a_probe_that_learned_has_no_diagnosis(report) -> None:
    found = report(spoken, epochs=12, steps_per_epoch=12, layers=1)
    assert (found["status"], found["diagnosis"], found["reason"]) == ("ok", "", "")
