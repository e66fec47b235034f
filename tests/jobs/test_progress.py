"""Tests of the progress line of a sweep, and of the time left."""

import io
from pathlib import Path

import pytest

from benchmark.jobs.progress import Expected, JobFile, ProgressBoard, closing, duration, line, read


def job(number: int, state: str = "running", begin: float = 0.0, end: float = 0.0, **more: str) -> JobFile:
    facts = {"label": f"job {number}", "log": f"{number}/log"} | more
    return JobFile(number=number, state=state, begin=begin, end=end, **facts)  # type: ignore[arg-type]


def test_the_line_counts_jobs_by_how_they_stand() -> None:
    files = [job(0, "done", 0, 1), job(1, "failed", 0, 1), job(2), job(3)]
    assert line(files, Expected(jobs=9), 5.0) == "sweep: 1 of 9 done, 2 running, 5 left, 1 failed"
    assert line(files, Expected(), 5.0) == "sweep: 1 done, 2 running, 1 failed"  # unknown number of jobs


def test_the_time_left_follows_the_measured_pace_and_the_jobs_side_by_side() -> None:
    expected = Expected(jobs=5, done=frozenset({4}), seconds={0: 100.0, 1: 100.0, 2: 100.0, 3: 100.0})
    assert expected.left([job(0, begin=0.0)], 0.0) == pytest.approx(400)  # no measured pace yet
    files = [job(4, "done", 0, 1), job(0, "done", 0, 50), job(1, begin=50), job(2, begin=50)]
    # Twice as fast as expected: 25 s are half a job; two half jobs and a whole one are left, two at a time.
    assert expected.left(files, 75.0) == pytest.approx((50 + 50 + 100) / 2 / 2)
    assert expected.left([job(4, "done", 0, 1)], 1.0) is None  # no job is running


def test_a_job_that_takes_longer_than_expected_keeps_a_little_to_do() -> None:
    expected = Expected(jobs=1, seconds={0: 100.0})
    assert expected.left([job(0, begin=0.0)], 1e6) == pytest.approx(5)


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0 s"), (89, "89 s"), (90, "2 min"), (5400, "1.5 h"), (2e5, "2.3 days")]
)
def test_durations_read_well(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_the_end_lists_what_failed_with_reason_and_log() -> None:
    files = [job(0, "done"), job(1, "failed", reason="no\nweights"), job(2)]
    said = closing(files, Expected(jobs=4, done=frozenset({0}))).splitlines()
    assert said == [
        "sweep: 4 jobs: 1 done (1 of them before), 1 failed, 1 cut off, 1 not started",
        "failed: job 1: no weights",
        "        log: 1/log",
        "cut off: job 2",
        "        log: 2/log",
        "What is done is kept; the same command runs the rest.",
    ]


def test_half_a_file_of_another_machine_is_left_out(tmp_path: Path) -> None:
    job(1).write(tmp_path)
    (tmp_path / "0.json").write_text('{"number": 0, "la')
    (tmp_path / "2.json").write_text('{"other": 1}')
    assert read(tmp_path) == [job(1)]


@pytest.mark.parametrize("rewrites", [True, False])
def test_a_terminal_has_one_line_that_is_rewritten_and_a_log_one_for_every_end(
    tmp_path: Path, rewrites: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("benchmark.jobs.progress.POLL", 0.01)
    stream = io.StringIO()
    board = ProgressBoard(tmp_path, Expected(jobs=2), rewrites, stream)
    job(0).write(tmp_path)
    while rewrites and "1 running" not in stream.getvalue():
        pass
    job(0, "done").write(tmp_path)
    while "1 of 2 done" not in stream.getvalue():
        pass
    assert board.close() == [job(0, "done")]
    if rewrites:
        assert "\n" not in stream.getvalue() and stream.getvalue().endswith("\r\x1b[K")
    else:
        assert stream.getvalue() == "sweep: 1 of 2 done, 0 running, 1 left, 0 failed\n"
