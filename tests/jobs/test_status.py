"""Tests of the states of jobs and their reasons, which are found without running any job."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import soundfile

from benchmark.jobs.compose import compose_jobs, open_hydra
from benchmark.jobs.cost.dry_jobs import Jobs
from benchmark.jobs.preflight import preflight
from benchmark.jobs.status import JobState, look
from benchmark.results.store import ResultsStore
from benchmark.storage.weights import DIGESTS
from tests.door import door

main = partial(door, "status")

ROOT = Path(__file__).resolve().parents[2]
SMALL = ["dataset=custom", "tokenizer=mfcc_kmeans", "tokenizer.codebook_size=8", "task=codebook_usage"]


@pytest.fixture
def overrides(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the overrides of a sweep on four recordings, with its own cache and results."""
    monkeypatch.setattr(DIGESTS, "folder", None)
    monkeypatch.setenv("CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("RESULTS", str(tmp_path / "results"))
    rng = np.random.default_rng(0)
    lines = ["audio_path,speaker_id,split"]
    for number in range(4):
        soundfile.write(str(tmp_path / f"{number}.wav"), 0.1 * rng.standard_normal(9000), 16_000)
        lines.append(f"{number}.wav,s{number % 2},{'train' if number < 2 else 'test'}")
    (tmp_path / "my.csv").write_text("\n".join(lines) + "\n")
    return [*SMALL, f"manifest={tmp_path / 'my.csv'}"]


@pytest.fixture
def state(overrides: list[str]) -> Callable[..., JobState]:
    """Return a function that returns the state of one job; with `run=True`, the job is run first."""

    def ask(*more: str, run: bool = False) -> JobState:
        from benchmark.jobs.build import make_job

        with open_hydra() as hydra:
            (cfg,) = compose_jobs(hydra, [*overrides, *more], multirun=False)
        if run:
            make_job(cfg).run()
        return look(cfg, Jobs())

    return ask


def test_missing_then_done_then_stale_with_what_changed(state: Callable[..., JobState]) -> None:
    assert state() == JobState("codebook_usage × mfcc_kmeans × my × seed 0", "missing")
    assert state(run=True).state == "done"
    changed = state("tokenizer.codebook_size=16")
    assert (changed.state, changed.reason) == ("stale", "tokenizer.codebook_size: 8 then, 16 now")
    assert state("seed=1").state == "missing"  # another job, not another state of this one
    assert state("preflight=off", "workers=2").state == "done"  # no part of the key
    stricter = state("max_failed_share=0.3")
    assert (stricter.state, stricter.reason) == ("stale", "max_failed_share: 0.5 then, 0.3 now")


def test_recordings_that_changed_are_no_matter_of_the_config(
    state: Callable[..., JobState], tmp_path: Path
) -> None:
    state(run=True)
    soundfile.write(str(tmp_path / "4.wav"), np.zeros(9000), 16_000)
    with (tmp_path / "my.csv").open("a") as file:
        file.write("4.wav,s1,test\n")
    changed = state()
    assert changed.state == "stale" and "its corpus has changed since commit" in changed.reason
    (tmp_path / "my.csv").unlink()
    gone = state()
    assert gone.state == "unclear" and "my.csv" in gone.reason


def test_artifacts_and_scores_that_are_gone_are_told(state: Callable[..., JobState], tmp_path: Path) -> None:
    state(run=True)
    shutil.rmtree(tmp_path / "cache" / "tokens")
    gone = state()
    assert gone.state == "stale" and gone.reason == f"artifacts gone from {tmp_path / 'cache'}: 1 of tokens"
    state(run=True)
    for path in (tmp_path / "results/mini/utterances").iterdir():
        path.unlink()
    assert state().reason == "its scores by utterance are gone or damaged"


def test_failed_and_not_converged_have_their_reason(state: Callable[..., JobState], tmp_path: Path) -> None:
    state(run=True)
    store = ResultsStore(tmp_path / "results" / "mini")
    rows = store.rows()
    scores = store.utterances("codebook_usage", "mfcc_kmeans", "my", 0)
    store.write([replace(row, status="NC", reason="never left the floor") for row in rows], scores)
    assert (state().state, state().reason) == ("NC", "never left the floor")
    store.write([replace(row, status="failed", value=None, reason="out of memory") for row in rows], scores)
    assert (state().state, state().reason) == ("failed", "out of memory")


def test_a_metric_that_came_later_is_named(state: Callable[..., JobState], tmp_path: Path) -> None:
    state(run=True)
    store = ResultsStore(tmp_path / "results" / "mini")
    rows = [row for row in store.rows() if row.metric != "used"]
    rows = [replace(row, metric_key="old") if row.metric == "entropy" else row for row in rows]
    store.write(rows, store.utterances("codebook_usage", "mfcc_kmeans", "my", 0))
    assert state().reason == "not scored yet: used; defined in another way now: entropy"


def test_the_command_takes_a_sweep_prints_the_sum_and_runs_nothing(
    overrides: list[str], state: Callable[..., JobState], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    state(run=True)
    capsys.readouterr()
    before = sorted(tmp_path.rglob("*"))
    assert main(["-m", *overrides, "seed=0,1"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines == [
        "done     codebook_usage × mfcc_kmeans × my × seed 0",
        "missing  codebook_usage × mfcc_kmeans × my × seed 1",
        "",
        "2 jobs: 1 done, 1 missing",
    ]
    assert sorted(tmp_path.rglob("*")) == before
    assert main([*overrides]) == 0
    assert main(["tokenizer=nonsense"]) == 1
    assert "nonsense" in capsys.readouterr().err


def test_a_machine_with_nothing_on_it_has_everything_missing(
    overrides: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The conversion pairs depend on manifests, which do not exist yet."""
    with open_hydra() as hydra:
        configs = compose_jobs(hydra, ["experiment=mini"], multirun=False)
        states = [look(cfg, Jobs()) for cfg in configs]
        found = preflight(configs)
    assert len(states) == 25 and {state.state for state in states} == {"missing"}
    assert found.expected.jobs == 25 and not found.expected.done and len(found.expected.seconds) == 25
    assert len(found.labels) == 25 and not found.problems
    # Rows copied from the reference say nothing of what is not there to compare them with.
    shutil.copytree(ROOT / "results" / "reference" / "mini" / "rows", tmp_path / "results" / "mini" / "rows")
    conversion = next(cfg for cfg in configs if cfg.task.name == "voice_conversion")
    state = look(conversion, Jobs())
    assert state.state == "unclear" and "manifests, which this cache does not hold" in state.reason
