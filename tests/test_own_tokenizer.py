"""README's own tokenizer, word for word: a folder outside the package, run by the real command line."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

ROOT = Path(__file__).resolve().parents[1]
BLOCK = re.compile(r"```(?:python|yaml)\n# (\S+)\n(.*?)```", re.DOTALL)
SMALL = ["dataset.train_utterances=12", "dataset.dev_utterances=12", "dataset.test_utterances=12"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files that the README's section shows, each where its first line says."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    section = readme.split("## Your own tokenizer")[1].split("\n## ")[0]
    root = tmp_path_factory.mktemp("own")
    for name, content in BLOCK.findall(section):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
    return root


def command(folder: Path, name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join([str(folder), str(ROOT)]),
        "CACHE": str(folder / "cache"),
        "RESULTS": str(folder / "results"),
        "OMP_NUM_THREADS": "1",
    }
    return subprocess.run(
        [sys.executable, "-m", "benchmark", name, "--config-dir", str(folder), *arguments, *SMALL],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=280,
    )


def test_it_is_one_short_file_and_one_yaml(folder: Path) -> None:
    files = [*folder.glob("*.py"), *folder.glob("*/*.yaml")]
    assert [path.relative_to(folder).as_posix() for path in files] == [
        "my_codec.py",
        "tokenizer/my_codec.yaml",
    ]
    code = [line for line in (folder / "my_codec.py").read_text().splitlines() if line.strip()]
    assert len(code) <= 25


def test_it_runs_from_outside_the_package(folder: Path) -> None:
    run = command(folder, "run", "tokenizer=my_codec", "task=codebook_usage")
    assert run.returncode == 0, run.stdout[-2000:] + run.stderr[-2000:]
    table = pd.read_csv(folder / "results/mini/tables/codebook_usage.csv").set_index("tokenizer")
    row = table.loc["my_codec"]
    assert row["status"] == "ok" and row["num_codebooks"] == 8 and row["bitrate_kbps"] == 1.6
    assert row["entropy"] > 1  # bits of the 4 per code
    assert "real time" in run.stdout


def test_the_doctor_knows_it_too(folder: Path) -> None:
    run = command(folder, "doctor", "-m", "tokenizer=my_codec,opus_6k", "task=codebook_usage")
    assert run.returncode == 0, run.stdout + run.stderr
    assert "my_codec" in run.stdout and "Nothing is missing" in run.stdout


def test_without_the_python_path_it_is_told(folder: Path) -> None:
    run = command(folder, "run", "tokenizer=my_codec", "tokenizer._target_=not_there.MyCodec")
    assert run.returncode == 1 and "Traceback" not in run.stderr
    assert "not_there" in run.stderr and "Python path" in run.stderr
