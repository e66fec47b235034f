"""One part of each kind from a folder outside the package: it runs, is priced, and is shown everywhere.

`tests/own_parts` is that folder: a class and a yaml for each part, and nothing in the package names them.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from tests.door import door
from tests.wandb_runs import runs

ROOT = Path(__file__).resolve().parents[1]
JOBS = [
    "-m",
    "tokenizer=own_bands",
    "task=reconstruction,asr_probe,codebook_usage,own_token_model,own_bare",
    "dataset=own_commands",
    "metric=[own_loudness,own_first_word,own_peak]",
    "aligner=own_edges",
    "vocoder/generator=own_linear",
    "probe=own_head",
    "logger=[own_lines,wandb]",
]
SMALL = [
    "vocoder.steps=4",
    "vocoder.steps_per_epoch=2",
    "limit=12",
    "trainer.progress_bar=false",
    "trainer.accelerator=cpu",
    "logger.wandb.artifacts=[results,token_models]",
]
TABLES = ("reconstruction", "probing", "codebook_usage", "token_model", "own_bare")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of parts, where results and artifacts go too."""
    folder = tmp_path_factory.mktemp("own") / "parts"
    shutil.copytree(ROOT / "tests" / "own_parts", folder, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


@pytest.fixture(autouse=True)
def _here(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.setenv("CACHE", str(folder / "cache"))
    monkeypatch.setenv("RESULTS", str(folder / "results"))
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.chdir(folder)


@pytest.fixture(scope="module")
def ran(folder: Path) -> subprocess.CompletedProcess[str]:
    """All jobs by one call of the real command line."""
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join([str(folder), str(ROOT)]),
        "CACHE": str(folder / "cache"),
        "RESULTS": str(folder / "results"),
        "WANDB_MODE": "offline",
        "OMP_NUM_THREADS": "1",
    }
    command = [sys.executable, "-m", "benchmark", "--config-dir", str(folder), *JOBS, *SMALL]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=280)


def table(folder: Path, name: str, tokenizer: str = "own_bands") -> pd.Series:
    frame = pd.read_csv(folder / "results" / "mini" / "tables" / f"{name}.csv")
    return frame.set_index("tokenizer").loc[tokenizer]


def test_before_it_runs_it_is_priced_and_missing(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert door("plan", ["--config-dir", str(folder), *JOBS, *SMALL]) == 0
    said = capsys.readouterr().out
    line = next(line for line in said.splitlines() if line.startswith("own_bands"))
    header = next(line for line in said.splitlines() if line.startswith("tokenizer "))
    assert "token_models" in header and "0 of 5" in line
    assert (
        "own_commands  shortest" in said and "WARNING: the task own_bare does not say what it costs" in said
    )
    disk = said[said.index("Disk") :]
    assert "token_models" in disk and "decoded speech" in disk
    assert door("status", ["--config-dir", str(folder), *JOBS, *SMALL]) == 1
    assert "5 missing" in capsys.readouterr().out


def test_it_runs_and_stands_in_tables_and_page(folder: Path, ran: subprocess.CompletedProcess[str]) -> None:
    assert ran.returncode == 0, ran.stdout[-3000:] + ran.stderr[-3000:]
    assert sorted(path.stem for path in (folder / "results/mini/tables").glob("*.csv")) == sorted(
        [*TABLES, "overview"]
    )
    speech = table(folder, "reconstruction")
    assert speech["own_loudness"] > 0 and speech["decoder"].startswith("ctx_vec2wav_mini")
    read = table(folder, "probing", "own_bands+own_head")  # a preset of its own has a line of its own
    assert 0 <= read["own_first_word"] <= 100 and read["probe_wer"] > 0
    codes = table(folder, "codebook_usage")
    assert 100 / 16 <= codes["own_peak"] <= 100 and 0 <= codes["phone_purity"] <= 1
    model = table(folder, "token_model")
    assert (
        0 < model["token_bits"] <= 6
        and model["token_bits_lo"] <= model["token_bits"]
        and model["n_scored"] == 4
    )
    assert table(folder, "own_bare")["length"] > 0.5
    assert "own_bare declares no table" in ran.stdout + ran.stderr
    page = (folder / "results/mini/report.html").read_text(encoding="utf-8")
    words = ("Loudness distance", "First word", "Peak share", "Token bits", "Own bare", "not below -50 dB")
    assert all(word in page for word in words)
    notes = (folder / "results/mini/tables/probing.md").read_text(encoding="utf-8")
    assert "with a hidden layer of 8" in notes
    assert "speech but for 25 % at either end" in (
        folder / "results/mini/tables/codebook_usage.md"
    ).read_text(encoding="utf-8").replace("25%", "25 %")


def test_trackers_hear_of_it(folder: Path, ran: subprocess.CompletedProcess[str]) -> None:
    assert ran.returncode == 0
    told = (folder / "results" / "own_lines.txt").read_text(encoding="utf-8")
    for name in ("reconstruction/own_loudness", "asr_probe/own_first_word", "own_token_model/token_bits_lo"):
        assert f"{name} " in told
    by_type = {run.job_type: run for run in runs(folder / "multirun")}
    assert {"own_token_model", "own_bare", "reconstruction"} <= by_type.keys()
    model = by_type["own_token_model"]
    assert model.exit_code == 0 and 0 < model.history["own_token_model/token_bits"] <= 6
    assert "token_models" in {kind for kind, _ in model.artifacts.values()}


def test_afterwards_it_is_done_and_costs_nothing(
    folder: Path, ran: subprocess.CompletedProcess[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert ran.returncode == 0
    door("status", ["--config-dir", str(folder), *JOBS, *SMALL])
    said = capsys.readouterr().out
    assert "missing" not in said and "stale" not in said and "failed" not in said
    assert door("plan", ["--config-dir", str(folder), *JOBS, *SMALL]) == 0
    assert "5 of 5" in capsys.readouterr().out
