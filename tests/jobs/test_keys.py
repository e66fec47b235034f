"""Tests that keys hold what changes trained numbers, and that machines of one sweep agree about them."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from safetensors.torch import load_file

from benchmark.jobs.build import make_job
from benchmark.jobs.compose import compose_jobs, open_hydra
from benchmark.results.store import ResultsStore
from benchmark.training import config
from benchmark.training.config import TrainerConfig
from benchmark.training.machine import read_machines

ROOT = Path(__file__).resolve().parents[2]
JOBS = ("tokenizer=mel_rvq,opus_6k", "task=reconstruction,asr_probe,codebook_usage")
TRAINED = {"reconstruction × mel_rvq", "asr_probe × mel_rvq", "asr_probe × opus_6k"}
TINY = [
    *("dataset.train_utterances=24", "dataset.dev_utterances=8", "dataset.test_utterances=8"),
    *("tokenizer=mfcc_kmeans", "task=asr_probe", "asr_probe.epochs=2", "asr_probe.steps_per_epoch=2"),
    *("tokenizer.codebook_size=16", "asr_probe.hidden_dim=32", "preflight=off", "trainer.progress_bar=false"),
]
Keys = dict[str, str]


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Keys]:
    """Return a function from overrides to the keys of six jobs, by label without the dataset."""
    cache = tmp_path_factory.mktemp("cache")

    def keys(*overrides: str) -> Keys:
        with open_hydra() as hydra:
            configs = compose_jobs(hydra, [*JOBS, f"paths.cache={cache}", *overrides], multirun=True)
        jobs = [make_job(cfg) for cfg in configs]
        return {job.label.removesuffix(" × synthetic"): job.key() for job in jobs}

    return keys


@pytest.fixture(scope="module")
def usual(keys: Callable[..., Keys]) -> Keys:
    return keys()


def changed(before: Keys, after: Keys) -> set[str]:
    assert before.keys() == after.keys()
    return {label for label in before if before[label] != after[label]}


def test_the_number_of_workers_is_in_no_key(keys: Callable[..., Keys], usual: Keys) -> None:
    assert not changed(usual, keys("workers=8"))


@pytest.mark.parametrize(
    "overrides",
    [
        ("trainer.threads=4",),
        ("trainer.accelerator=gpu",),
        ("trainer=ddp", "trainer.devices=2"),
        ("trainer.compile=true",),
    ],
)
def test_what_changes_a_training_is_in_the_keys_of_trained_numbers(
    overrides: tuple[str, ...], keys: Callable[..., Keys], usual: Keys
) -> None:
    assert changed(usual, keys(*overrides)) == TRAINED


def test_stages_on_other_devices_have_one_key(keys: Callable[..., Keys], usual: Keys) -> None:
    on_gpus = keys("device=cuda", "trainer.accelerator=gpu")
    assert changed(usual, on_gpus) == TRAINED
    assert on_gpus == keys("device=cpu", "trainer.accelerator=gpu")  # such as stage=score
    assert on_gpus == keys("device=cuda")  # the accelerator follows the device
    assert on_gpus == keys("trainer.accelerator=gpu", "trainer.threads=8")  # GPUs do the sums


def test_processors_of_another_kind_have_other_keys_for_their_own_trainings(
    keys: Callable[..., Keys], usual: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_gpus = keys("trainer.accelerator=gpu")
    monkeypatch.setattr(config, "instructions", lambda: "SVE256")
    assert changed(usual, keys()) == TRAINED
    assert keys("trainer.accelerator=gpu") == on_gpus


def test_the_usual_training_adds_nothing_to_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config, "instructions", lambda: "AVX2")
    assert TrainerConfig().identity() == {}
    four = TrainerConfig(accelerator="gpu", strategy="ddp", devices=2, num_nodes=2)
    assert four.identity() == {"accelerator": "gpu", "devices": 4}


@pytest.mark.timeout(900)
def test_trainings_by_one_and_two_threads_are_two_artifacts_with_rows_of_their_own(tmp_path: Path) -> None:
    found = {}
    for threads in (1, 2):
        results = tmp_path / f"results{threads}"
        places = {"CACHE": str(tmp_path / "cache"), "RESULTS": str(results), "OMP_NUM_THREADS": "1"}
        command = [sys.executable, "-m", "benchmark", *TINY, f"trainer.threads={threads}"]
        done = subprocess.run(
            [*command, f"hydra.run.dir={tmp_path}/out{threads}"],
            cwd=ROOT,
            env=os.environ | places,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
        row = ResultsStore(results / "mini").rows()[0]
        ((reference, machines),) = row.machine["trained_on"].items()
        assert [each["threads"] for each in machines] == [threads]
        assert machines == read_machines(tmp_path / "cache" / reference)
        assert row.machine["processor"] and row.machine["instructions"]
        found[threads] = row, load_file(tmp_path / "cache" / reference / "model.safetensors")
    (one, weights), (two, others) = found[1], found[2]
    assert one.key != two.key
    assert len(list((tmp_path / "cache/probes").glob("*/report.json"))) == 2
    for kind in ("tokens", "codebooks"):  # made once
        shared = [reference for reference in one.artifacts if reference.startswith(kind)]
        assert shared and shared == [reference for reference in two.artifacts if reference.startswith(kind)]
    assert weights.keys() == others.keys()
