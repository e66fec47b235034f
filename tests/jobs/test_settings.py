"""Settings at the top of the config: what is illegal is refused in a line, before anything is loaded."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import get_args

import pytest

from benchmark.errors import UserError
from benchmark.jobs import settings
from benchmark.jobs.compose import CONF, compose, open_hydra
from benchmark.jobs.job import Policy
from benchmark.jobs.preflight import POLICIES
from benchmark.jobs.settings import CHOICES, require_settings
from benchmark.jobs.stages import STAGES
from benchmark.metrics.statistics.intervals import METHODS
from benchmark.tasks.decoding.trained_vocoder import Decoder
from benchmark.tokenizers.base import Precision
from tests.door import door

ROOT = Path(__file__).resolve().parents[2]
ILLEGAL = {
    "seed=abc": "seed='abc' must be a whole number from 0",
    "seed=1.5": "seed=1.5 must be",
    "seed=-1": "seed=-1 must be",
    "seed=true": "seed=True must be",
    "workers=0": "workers=0 must be a whole number, at least 1",
    "limit=-3": "limit=-3 must be",
    "limit=0": "limit=0 must be",
    "device=gpu": "device='gpu' must be cpu, cuda, or cuda:N",
    "device=mps": "device='mps' must be",
    "max_failed_share=2": "max_failed_share=2 must be a number from 0 to 1",
    "patience=soon": "patience='soon' must be",
    "trainer.precision=16": "unknown trainer.precision 16. Legal: 16-mixed",
    "trainer.precision=bf16": "unknown trainer.precision 'bf16'. Did you mean 'bf16-",
    "decoder=foo": "unknown decoder 'foo'. Legal: auto, own, vocoder",
    "policy=alwayss": "Did you mean 'always'?",
    "stage=encod": "Did you mean 'encode'?",
    "interval_unit=words": "unknown interval_unit 'words'",
    "preflight=of": "Did you mean 'off'?",
    "encode_precision=half": "unknown encode_precision 'half'",
    "+sed=1": "unknown setting 'sed'. Did you mean 'seed'?",
    "+worker=2": "unknown setting 'worker'. Did you mean 'workers'?",
}


@pytest.mark.parametrize("override", ILLEGAL)
def test_it_is_refused_in_a_line(override: str) -> None:
    with open_hydra() as hydra:
        cfg = compose(hydra, [override])
    with pytest.raises(UserError) as error:
        require_settings(cfg)
    assert ILLEGAL[override] in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize(
    "override",
    [
        "seed=3",
        "workers=4",
        "limit=null",
        "device=cuda:1",
        "trainer.precision=bf16-mixed",
        "+mine=1",
        "patience=0.5",
    ],
)
def test_what_is_legal_passes(override: str) -> None:
    with open_hydra() as hydra:
        require_settings(compose(hydra, [override]))


def test_every_profile_and_experiment_passes() -> None:
    with open_hydra() as hydra:
        for group in ("profile", "experiment"):
            for path in (CONF / group).glob("*.yaml"):
                require_settings(compose(hydra, [f"{group}={path.stem}"]))


def test_the_legal_words_are_those_of_the_code_that_reads_them() -> None:
    own: dict[str, tuple[str, ...]] = {
        "encode_precision": get_args(Precision),
        "decoder": get_args(Decoder),
        "interval_unit": tuple(METHODS),
        "stage": STAGES,
        "policy": get_args(Policy),
        "preflight": POLICIES,
        "trainer.precision": settings.PRECISIONS,
    }
    assert {name: set(words) for name, words in CHOICES.items()} == {n: set(w) for n, w in own.items()}


@pytest.mark.parametrize("command", ["run", "sweep", "plan", "doctor", "status"])
def test_several_options_of_one_group_are_a_sweep(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert door(command, ["tokenizer=[mimi, mel_rvq]", "task=reconstruction"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "a job has one tokenizer; sweep tokenizer=mimi,mel_rvq runs a job for each" in line


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    def ask(*arguments: str) -> subprocess.CompletedProcess[str]:
        places = [f"paths.{name}={tmp_path / name}" for name in ("cache", "results")]
        folders = [f"hydra.run.dir={tmp_path}/out", f"hydra.sweep.dir={tmp_path}/out"]
        return subprocess.run(
            [sys.executable, "-X", "importtime", "-m", "benchmark", *arguments, *places, *folders],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=280,
        )

    return ask


@pytest.mark.parametrize("words", [["seed=abc"], ["-m", "seed=0,abc", "preflight=off"]])
def test_it_is_refused_before_anything_is_imported_or_written(
    run: Callable[..., subprocess.CompletedProcess[str]], words: list[str], tmp_path: Path
) -> None:
    ended = run(*words, "tokenizer=opus_6k", "task=codebook_usage")
    said = [line for line in ended.stderr.splitlines() if not line.startswith("import time:")]
    assert ended.returncode == 1 and said == ["error: seed='abc' must be a whole number from 0 to 2^32 - 1"]
    imported = {line.rpartition("|")[2].strip() for line in ended.stderr.splitlines()}
    assert "hydra" in imported and not imported & {"torch", "lightning", "transformers"}
    assert not (tmp_path / "cache").exists() and not (tmp_path / "results").exists()
