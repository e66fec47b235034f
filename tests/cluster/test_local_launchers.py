"""Launchers that need no cluster give the same table as the serial sweep."""

from pathlib import Path

import pytest

from tests.cluster.sweeps import JOBS, assert_same, run

pytestmark = pytest.mark.timeout(900)


def test_the_sweep_on_joblib_is_the_serial_one(serial: Path, tmp_path: Path) -> None:
    said = run(tmp_path, "hydra/launcher=joblib", "hydra.launcher.n_jobs=2")
    assert f"sweep: {JOBS} jobs: {JOBS} done, 0 failed" in said
    assert_same(tmp_path, serial)


def test_the_sweep_on_submitit_is_the_serial_one(serial: Path, tmp_path: Path) -> None:
    pytest.importorskip("submitit", reason="the extra `cluster` is not installed")
    said = run(tmp_path, "hydra/launcher=submitit_local")
    assert f"sweep: {JOBS} jobs: {JOBS} done, 0 failed" in said
    assert_same(tmp_path, serial)
    assert len(list((tmp_path / "sweep/submitit").glob("*/*_log.out"))) == JOBS
