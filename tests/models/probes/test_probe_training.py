import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file

from benchmark.errors import UserError
from benchmark.models.probes.ctc import CTCProbe
from benchmark.models.probes.normalize import encode
from benchmark.models.probes.predict import classify, transcribe
from benchmark.models.probes.scores import word_error_rate
from benchmark.models.probes.targets import Intents, Transcripts
from benchmark.models.probes.train import train_probe
from benchmark.models.probes.training import Examples
from benchmark.training.callbacks import read_history
from benchmark.training.report import read_report
from tests.models.probes.conftest import assert_resumes, training

WORDS = ("go", "stop", "left", "right", "up", "down")


def spoken(text: str, frames: int = 3) -> np.ndarray:
    """Return codes (1, K·T) of an ideal tokenizer: every character has its own code, held for some frames."""
    return np.repeat(encode(text), frames)[None]


def sentences(count: int, seed: int) -> dict[str, str]:
    rng = np.random.default_rng(seed)
    return {f"u{seed}-{i:02d}": " ".join(rng.choice(WORDS, rng.integers(2, 4))) for i in range(count)}


@pytest.fixture
def asr(
    make_store: Callable[..., Any],
    make_spec: Callable[..., Any],
    make_config: Callable[..., Any],
    tmp_path: Path,
):
    """Train on eight sentences with `codes` made by a function of the text; the argument gives dev."""

    def train(
        speak: Callable[[str], np.ndarray] = spoken,
        train_texts: dict[str, str] | None = None,
        dev_texts: dict[str, str] | None = None,
        frame_rate: float = 50.0,
        folder: str = "probe",
        **changes: Any,
    ) -> Path:
        train_texts = train_texts or sentences(8, seed=1)
        dev_texts = dev_texts or train_texts
        stores = [
            make_store({key: speak(text) for key, text in texts.items()})
            for texts in (train_texts, dev_texts)
        ]
        path = tmp_path / folder
        path.mkdir(exist_ok=True)
        spec, config = make_spec(frame_rate=frame_rate), make_config(**changes)
        split, dev = Examples(stores[0], train_texts), Examples(stores[1], dev_texts)
        train_probe(Transcripts, training(spec, split, config, path, dev))
        answers = transcribe(path, spec, stores[1], list(dev_texts), config, "cpu")
        rate = word_error_rate(list(dev_texts.values()), list(answers.values()))
        assert read_report(path)["dev"]["wer"] == pytest.approx(rate)
        return path

    return train


def test_eight_utterances_are_learned_by_heart(asr: Callable[..., Path]) -> None:
    folder = asr()
    report, history = read_report(folder), read_history(folder)
    assert report["status"] == "ok"
    assert report["reason"] == ""
    assert report["dev"] == {"wer": 0.0, "cer": 0.0}
    assert report["floor"]["wer"] > 0.5
    assert report["utterances"] == {"train": 8, "dev": 8}
    assert report["infeasible"] == {"train": 0, "dev": 0}
    assert report["curve"] == [row["dev_wer"] for row in history]
    assert report["grad_norm"]["first"] == pytest.approx(history[0]["grad_norm"])
    weights = load_file(folder / "model.safetensors")
    assert report["parameters"] == sum(array.size for array in weights.values())
    made = {"model.safetensors", "history.csv", "report.json", "machines.json"}
    assert {path.name for path in folder.iterdir()} == made


def test_a_killed_training_ends_with_the_same_bits(
    asr: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    changes = {"epochs": 4, "steps_per_epoch": 4, "dropout": 0.2, "layers": 2, "substitution": 0.1}
    assert_resumes(asr, CTCProbe, monkeypatch, dies_in=3, **changes)


def test_the_seed_of_the_process_does_not_matter_but_the_probe_s_does(
    asr: Callable[..., Path], make_store, make_spec, make_config, tmp_path: Path
) -> None:
    changes = {"epochs": 1, "steps_per_epoch": 2}
    torch.manual_seed(1)
    first = asr(folder="first", **changes)
    torch.manual_seed(2)
    assert (asr(folder="again", **changes) / "model.safetensors").read_bytes() == (
        first / "model.safetensors"
    ).read_bytes()
    texts = sentences(8, seed=1)
    store = make_store({key: spoken(text) for key, text in texts.items()})
    other = tmp_path / "other"
    other.mkdir()
    split = Examples(store, texts)
    train_probe(Transcripts, training(make_spec(), split, make_config(**changes), other, seed=4))
    assert (other / "model.safetensors").read_bytes() != (first / "model.safetensors").read_bytes()


def test_tokens_without_speech_are_learned_by_heart_and_no_better_on_dev(asr: Callable[..., Path]) -> None:
    rng = np.random.default_rng(0)
    folder = asr(
        lambda text: rng.integers(0, 40, (1, 3 * len(text))),
        train_texts=sentences(24, seed=1),
        dev_texts=sentences(24, seed=2),
        epochs=3,
    )
    report = read_report(folder)
    assert (report["status"], report["diagnosis"]) == ("ok", "overfitted")
    assert "dev not above the floor" in report["reason"]
    assert report["dev"]["wer"] > 0.5


def test_a_training_that_moves_no_weight_does_not_converge(asr: Callable[..., Path]) -> None:
    report = read_report(asr(learning_rate=1e-9, epochs=2, dev_texts=sentences(12, seed=2)))
    assert (report["status"], report["diagnosis"]) == ("NC", "did not learn")


@pytest.mark.parametrize(
    ("learning_rate", "reason"), [(1e6, "diverged"), (1e30, r"diverged \(.* is (nan|inf)")]
)
def test_a_learning_rate_that_explodes_does_not_converge(
    asr: Callable[..., Path], learning_rate: float, reason: str
) -> None:
    report = read_report(asr(learning_rate=learning_rate, epochs=2, dev_texts=sentences(12, seed=2)))
    assert report["status"] == "NC"
    assert re.search(reason, report["reason"])


def test_infeasible_utterances_are_counted_after_upsampling(asr: Callable[..., Path]) -> None:
    """Give one frame per character: enough for "go up" (5), not for "stoop" (5 and a blank),
    unless repeated.
    """
    texts = {"a": "go up", "b": "stoop", "c": "left", "d": "rree"}
    common = {
        "speak": lambda text: spoken(text, frames=1),
        "train_texts": texts,
        "epochs": 1,
        "steps_per_epoch": 1,
    }
    tight = read_report(asr(**common, dev_texts={"a": "go up", "b": "stoop"}, frame_rate=50))
    assert tight["infeasible"] == {"train": 2, "dev": 1}
    assert tight["upsampling"] == 1
    slow = read_report(asr(**common, frame_rate=12.5, folder="slow"))
    assert slow["infeasible"] == {"train": 0, "dev": 0}
    assert slow["upsampling"] == 4


def test_slow_tokens_are_learned_too(asr: Callable[..., Path]) -> None:
    folder = asr(lambda text: spoken(text, frames=1), frame_rate=12.5)
    assert read_report(folder)["dev"]["wer"] == 0.0


def test_what_cannot_be_used_is_counted(make_store, make_spec, make_config, tmp_path: Path) -> None:
    texts = sentences(8, seed=1)
    first, second, third, *_ = texts
    codes = {key: spoken(text) for key, text in texts.items()}
    train = make_store({key: value for key, value in codes.items() if key != first}, failed=(first,))
    labels = {**texts, second: "42!"} | {"never-encoded": "go"}
    del labels[third]
    split, dev = Examples(train, labels), Examples(make_store(codes), texts)
    train_probe(Transcripts, training(make_spec(), split, make_config(epochs=1), tmp_path, dev))
    report = read_report(tmp_path)
    assert report["utterances"] == {"train": 5, "dev": 8}
    assert report["skipped"] == {
        "train": {"no_label": 2, "no_tokens": 2},
        "dev": {"no_label": 0, "no_tokens": 0},
    }


def test_a_split_without_transcripts_is_refused(make_store, make_spec, make_config, tmp_path: Path) -> None:
    store = make_store({"a": spoken("go")})
    with pytest.raises(UserError, match=r"no dev utterance .*transcript"):
        split, dev = Examples(store, {"a": "go"}), Examples(store, {})
        train_probe(Transcripts, training(make_spec(), split, make_config(), tmp_path, dev))


def test_a_failed_utterance_has_no_answer(asr, make_store, make_spec, make_config) -> None:
    folder = asr(epochs=1, steps_per_epoch=1)
    store = make_store({"b": spoken("go up"), "a": spoken("stop")}, failed=("c",))
    answers = transcribe(folder, make_spec(), store, ["c", "b", "a"], make_config(), "cpu")
    assert list(answers) == ["b", "a"]
    with pytest.raises(KeyError):
        transcribe(folder, make_spec(), store, ["unknown"], make_config(), "cpu")


def test_transcripts_do_not_depend_on_company(asr, make_store, make_spec, make_config) -> None:
    folder = asr(epochs=3)
    texts = sentences(20, seed=9)
    store = make_store({key: spoken(text) for key, text in texts.items()})
    together = transcribe(folder, make_spec(), store, list(texts), make_config(), "cpu")
    alone = {}
    for key in texts:
        alone |= transcribe(folder, make_spec(), store, [key], make_config(), "cpu")
    assert together == alone
    assert len(set(together.values())) > 5


INTENTS = {"go": "move", "stop": "halt", "left": "turn", "right": "turn"}


@pytest.fixture
def intent(make_store, make_spec, make_config, tmp_path: Path):
    def train(
        speak: Callable[[str], np.ndarray], dev_extra: dict[str, str], **changes: Any
    ) -> tuple[Path, dict[str, str]]:
        rng = np.random.default_rng(0)
        splits = []
        for count in (32, 24):
            words = [list(INTENTS)[i % 4] for i in range(count)]
            filler = [" ".join(rng.choice(["up", "down"], 2)) for _ in range(count)]
            texts = {f"u{i:02d}": f"{filler[i]} {word}" for i, word in enumerate(words)}
            splits.append(
                (
                    {k: speak(t) for k, t in texts.items()},
                    {f"u{i:02d}": INTENTS[w] for i, w in enumerate(words)},
                )
            )
        (train_codes, train_labels), (dev_codes, dev_labels) = splits
        dev_labels |= dev_extra
        dev = make_store(dev_codes)
        spec, config = make_spec(), make_config(**changes)
        split = Examples(make_store(train_codes), train_labels)
        train_probe(Intents, training(spec, split, config, tmp_path, Examples(dev, dev_labels), seed=1))
        return tmp_path, classify(tmp_path, spec, dev, list(dev_codes), config, "cpu")

    return train


def test_intents_are_learned(intent) -> None:
    folder, answers = intent(spoken, {})
    report = read_report(folder)
    assert report["status"] == "ok"
    assert report["dev"]["error"] == 0.0
    assert report["floor"] == {"intent": "turn", "error": 0.5}  # the majority class
    assert json.loads((folder / "labels.json").read_text()) == ["halt", "move", "turn"]
    assert [answers[f"u{i:02d}"] for i in range(4)] == ["move", "halt", "turn", "turn"]


def test_an_intent_that_training_never_showed_is_an_error(intent) -> None:
    report = read_report(intent(spoken, {"u00": "dance", "u04": "dance"})[0])
    assert report["unseen_intents"] == {"dev": 2}
    assert report["dev"]["error"] == pytest.approx(2 / 24)


def test_intents_of_random_tokens_are_learned_by_heart_and_no_better_on_dev(intent) -> None:
    rng = np.random.default_rng(0)
    report = read_report(intent(lambda text: rng.integers(0, 40, (1, 30)), {}, epochs=2)[0])
    assert (report["status"], report["diagnosis"]) == ("ok", "overfitted")
