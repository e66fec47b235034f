"""The dashboard is built by wandb's own library from the metrics that there are, and nothing is sent."""

import json
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from benchmark.results.store import ResultsStore
from scripts.make_dashboard import main


@pytest.fixture
def folder(tmp_path: Path, make_row: Any) -> Path:
    store = ResultsStore(tmp_path / "mini")
    display = {"label": "Warmth", "unit": "K", "higher_is_better": True, "decimals": 1, "place": 1}
    wer = display | {"label": "WER", "unit": "%", "higher_is_better": False, "place": 0}
    rows = [make_row(metric="wer", display=wer), make_row(metric="warmth", display=display)]
    store.write(rows, pd.DataFrame())
    store.write([make_row(task="codebook_usage", metric="entropy", display={})], pd.DataFrame())
    return store.root


def test_the_workspace_has_a_section_per_task_with_the_names_that_runs_log(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("wandb_workspaces")
    path = tmp_path / "dashboard.json"
    assert main(["--entity", "team", "--results", str(folder), "--json", str(path)]) == 0
    text = path.read_text()
    content = json.loads(text)
    sections = content["spec"]["section"]["panelBankConfig"]["sections"]
    assert [section["name"] for section in sections] == ["Reconstruction", "Codebook usage"]
    kinds = [panel["viewType"] for panel in sections[0]["panels"]]
    assert kinds == ["Bar Chart", "Scatter Plot", "Bar Chart", "Scatter Plot", "Weave", "Media Browser"]
    assert sections[0]["panels"][0]["config"]["metrics"] == ["reconstruction/wer"]
    assert sections[0]["panels"][0]["config"]["chartTitle"] == "WER (%) ↓"
    scatter = sections[0]["panels"][1]["config"]
    assert "tokenizer/bitrate_kbps" in scatter["xAxis"] and "reconstruction/wer" in scatter["yAxis"]
    assert "reconstruction/audio/reconstructed" in text and "codebook_usage/figures/codebook_growth" in text
    assert content["project"] == "speech-token-benchmark" and content["entity"] == "team"


def test_mistakes_get_a_sentence(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--entity", "team", "--results", str(tmp_path / "nothing")]) == 1
    assert "no results in" in capsys.readouterr().err
    monkeypatch.setitem(sys.modules, "wandb_workspaces", None)
    assert main(["--entity", "team", "--results", str(folder)]) == 1
    assert "speech-token-benchmark[dashboard]" in capsys.readouterr().err
