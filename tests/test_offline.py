"""A tokenizer whose weights cannot be fetched: a sentence and an exit status, with and without trying."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.mark.parametrize(
    ("environment", "overrides"),
    [
        ({"HF_HUB_OFFLINE": "1"}, ["tokenizer=whisper_kmeans", "tokenizer.checkpoint=openai/whisper-small"]),
        (
            {"HF_ENDPOINT": "http://127.0.0.1:9", "HF_HUB_OFFLINE": "0"},  # a port that nobody listens on
            ["tokenizer=whisper_kmeans", "tokenizer.checkpoint=openai/whisper-small"],
        ),
        ({"HF_ENDPOINT": "http://127.0.0.1:9", "HF_HUB_OFFLINE": "0"}, ["tokenizer=encodec_24khz"]),
    ],
    ids=["offline", "unreachable", "unreachable, files named"],
)
def test_a_run_without_weights_ends_in_a_few_lines(
    tmp_path: Path, environment: dict[str, str], overrides: list[str]
) -> None:
    run = subprocess.run(
        [sys.executable, "-m", "benchmark", *overrides, f"hydra.run.dir={tmp_path}/out"],
        cwd=ROOT,
        env=os.environ
        | {"CACHE": f"{tmp_path}/cache", "RESULTS": f"{tmp_path}/results", "HF_HUB_CACHE": f"{tmp_path}/hub"}
        | environment,
        capture_output=True,
        text=True,
        timeout=280,
    )
    assert run.returncode == 1
    lines = run.stderr.strip().splitlines()
    assert 1 <= len(lines) <= 5, run.stderr
    assert "hf download" in run.stderr and "Traceback" not in run.stderr + run.stdout
