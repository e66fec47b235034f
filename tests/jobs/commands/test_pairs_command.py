"""Tests of the command `pairs`, which writes the same list of pairs as a run, before anything runs."""

from functools import partial
from pathlib import Path

import pytest

from benchmark.jobs.build import build
from benchmark.jobs.compose import compose, open_hydra
from benchmark.storage.artifacts import ArtifactStore
from tests.door import door

main = partial(door, "pairs")

SMALL = ["dataset.train_utterances=24", "dataset.dev_utterances=12", "dataset.test_utterances=12", "limit=9"]


@pytest.fixture(autouse=True)
def _folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("RESULTS", str(tmp_path / "results"))


def test_it_writes_what_a_run_would_make_and_a_run_reads_it(
    tmp_path: Path, store: ArtifactStore, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(SMALL) == 0
    path = tmp_path / "results/mini/pairs/synthetic.csv"
    assert f"{path}: 9 pairs (3 cross_gender, 3 cross_lingual, 3 same_gender)" in capsys.readouterr().out
    with open_hydra() as hydra:
        cfg = compose(hydra, ["task=voice_conversion", f"task.pairs={path}", *SMALL])
        made = compose(hydra, ["task=voice_conversion", *SMALL])
    corpus = build(cfg.dataset)
    read, anew = (build(c.task).conversion(corpus, store).pairing for c in (cfg, made))
    assert read.digest == anew.digest and read.to_csv() == path.read_text() == anew.to_csv()
    other = tmp_path / "other.csv"
    assert main([*SMALL, "task.pairing_seed=1", "--output", str(other)]) == 0
    assert other.read_text() != path.read_text()


def test_mistakes_are_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*SMALL, "task.conditions=[gender]"]) == 1
    error = capsys.readouterr().err
    assert "unknown condition" in error and "cross_gender" in error and "Traceback" not in error
    assert main(["dataset=libritts", f"dataset.root={tmp_path}/none"]) == 1
    assert "LIBRITTS=<root>" in capsys.readouterr().err
