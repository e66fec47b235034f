"""The committed reference is what this code makes: part of it from nothing, and a check that can fail."""

import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from benchmark.results.store import ResultsStore
from scripts import agrees

ROOT = Path(__file__).resolve().parents[2]
REFERENCE = ROOT / "results" / "reference" / "mini"
SIGNAL = "gpe,gpe_frames,vde,ffe,pesq,stoi,mel_distance,delay,p_corr"
JOBS = {
    ("reconstruction", "voice_conversion"): ("tokenizer=ground_truth",),
    ("reconstruction", "codebook_usage"): ("tokenizer=opus_6k", f"metric=[{SIGNAL}]"),
    ("codebook_usage", "intent_probe"): ("tokenizer=mel_rvq",),
}
"""Tasks to the other overrides: the cheapest rows. They are transcripts and voices of the recordings, the
signal metrics of a codec, a codebook, and one training.
"""
QUIET = ("trainer.progress_bar=false", "trainer.accelerator=cpu")


@pytest.mark.timeout(900)
def test_a_fresh_run_agrees_with_the_reference(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for tasks, others in JOBS.items():
        jobs = [f"task={','.join(tasks)}", *others, *QUIET, f"hydra.sweep.dir={tmp_path}/sweep"]
        ended = subprocess.run(
            [sys.executable, "-m", "benchmark", "-m", *jobs],
            cwd=ROOT,
            env=os.environ | {"CACHE": f"{tmp_path}/cache", "RESULTS": f"{tmp_path}/results"},
            capture_output=True,
            text=True,
            timeout=800,
        )
        assert ended.returncode == 0, ended.stderr[-3000:]
    code = agrees.main([str(tmp_path / "results/mini"), "--partial"])
    said = capsys.readouterr().out
    assert code == 0, said
    rows = ResultsStore(tmp_path / "results/mini").rows()
    assert {(row.task, row.tokenizer) for row in rows} == {
        (task, others[0].removeprefix("tokenizer=")) for tasks, others in JOBS.items() for task in tasks
    }
    assert sum(row.value is not None for row in rows) > 50


def test_a_folder_without_rows_is_no_agreement(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert agrees.main([str(tmp_path), "--reference", str(REFERENCE)]) == 1
    assert "has no rows" in capsys.readouterr().err


def test_a_folder_is_not_compared_with_itself(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """By name, by another name, and as a copy: each would agree in every row."""
    (tmp_path / "link").symlink_to(REFERENCE)
    for folder in (REFERENCE, tmp_path / "link"):
        assert agrees.main([str(folder)]) == 1
        assert "is the reference itself" in capsys.readouterr().err
    shutil.copytree(REFERENCE / "rows", tmp_path / "mini" / "rows")
    assert agrees.main([str(tmp_path / "mini")]) == 1
    assert "is a copy of the reference" in capsys.readouterr().err


def test_the_reference_is_that_of_the_profile(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Probing's rows are looked for in probing's reference, whatever their folder is called."""
    row = ResultsStore(REFERENCE.parent / "probing").rows()[0]
    scores = pd.DataFrame({"utterance_id": [], "speaker_id": []})
    ResultsStore(tmp_path / "mini").write([replace(row, git_commit="another")], scores)
    assert agrees.main([str(tmp_path / "mini")]) == 1
    said = capsys.readouterr().out
    assert "1 equal to 1e-3" in said and "101 missing here" in said and "--partial" in said
    assert agrees.main([str(tmp_path / "mini"), "--partial"]) == 0
