"""Leases: one holder at a time, takeover from dead holders, and only the file server's clock."""

import json
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest

from benchmark.storage import lease
from benchmark.storage.lease import Lease, holder_of

FORK = multiprocessing.get_context("fork")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "thing"


def hold(path: Path, taken: Callable[[], None]) -> None:
    Lease(path).acquire()
    taken()
    time.sleep(600)


def held_elsewhere(path: Path) -> BaseProcess:
    taken = FORK.Event()
    process = FORK.Process(target=hold, args=(path, taken.set))
    process.start()
    assert taken.wait(20)
    return process


def kill(process: BaseProcess) -> None:
    assert process.pid is not None
    os.kill(process.pid, signal.SIGKILL)
    process.join()


def on_another_machine(path: Path, silent_for: float) -> Path:
    """Write the file of a holder that no process of this machine can see."""
    folder = path.with_name(f"{path.name}.lease")
    folder.mkdir()
    file = folder / "4"
    file.write_text(json.dumps({"host": "node17", "space": "pid:[1]", "pid": 77, "job": "SLURM_JOB_ID 9"}))
    then = time.time() - silent_for
    os.utime(file, (then, then))
    return file


def test_one_has_it_and_the_next_one_gets_it(path: Path) -> None:
    one, other = Lease(path), Lease(path)
    assert one.acquire() and one.is_held
    assert not other.acquire(wait=False) and not other.is_held
    found = holder_of(path)
    assert found is not None and found.pid == os.getpid() and str(os.getpid()) in str(found)
    one.release()
    assert holder_of(path) is None and not one.is_held
    assert other.acquire(wait=False)
    other.release()
    assert list(path.parent.iterdir()) == []


def test_a_killed_holder_is_succeeded_at_once_and_the_log_says_so(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    process = held_elsewhere(path)
    assert not Lease(path).acquire(wait=False)
    kill(process)
    assert holder_of(path) is None
    mine = Lease(path)
    assert mine.acquire(wait=False)
    assert f"process {process.pid} on" in caplog.text and "taken over" in caplog.text
    mine.release()


def test_a_holder_on_another_machine_is_believed_until_it_falls_silent(path: Path) -> None:
    file = on_another_machine(path, silent_for=lease.STALE - 20)
    assert not Lease(path).acquire(wait=False)
    assert str(holder_of(path)) == "process 77 on node17 (SLURM_JOB_ID 9)"
    then = time.time() - lease.STALE - 5
    os.utime(file, (then, then))
    mine = Lease(path)
    assert mine.acquire(wait=False) and not file.exists()
    mine.release()


def test_it_gives_signs_of_life(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lease, "BEAT", 0.05)
    mine = Lease(path)
    mine.acquire()
    [file] = path.with_name("thing.lease").iterdir()
    os.utime(file, (0, 0))
    end = time.monotonic() + 10
    while file.stat().st_mtime == 0 and time.monotonic() < end:
        time.sleep(0.02)
    assert time.time() - file.stat().st_mtime < 10
    mine.release()


def test_who_slept_too_long_has_lost_it_and_takes_nothing_away(path: Path) -> None:
    sleeper, other = Lease(path), Lease(path)
    sleeper.acquire()
    [file] = path.with_name("thing.lease").iterdir()
    file.write_text(json.dumps({"host": "elsewhere", "space": "", "pid": 1}))
    os.utime(file, (0, 0))
    assert other.acquire(wait=False) and not sleeper.is_held
    sleeper.release()
    assert other.is_held and not Lease(path).acquire(wait=False)
    other.release()


def test_a_file_that_cannot_be_read_is_a_holder_until_it_falls_silent(path: Path) -> None:
    file = on_another_machine(path, silent_for=0)
    file.write_text("torn")
    assert not Lease(path).acquire(wait=False)
    os.utime(file, (0, 0))
    assert Lease(path).acquire(wait=False)


def take_turns(path: Path, log: Path, times: int) -> None:
    for _ in range(times):
        mine = Lease(path)
        mine.acquire()
        with log.open("a") as file:
            file.write("in\n")
        time.sleep(0.001)
        with log.open("a") as file:
            file.write("out\n")
        mine.release()


def test_many_that_want_it_at_once_have_it_one_after_the_other(path: Path, tmp_path: Path) -> None:
    """Some of the processes are killed while they hold the lease."""
    log = tmp_path / "log"
    workers = [FORK.Process(target=take_turns, args=(path, log, 40)) for _ in range(6)]
    for worker in workers:
        worker.start()
    for _ in range(3):
        kill(held_elsewhere(path))
    for worker in workers:
        worker.join(60)
        assert worker.exitcode == 0
    assert log.read_text().split() == ["in", "out"] * 240


def test_whoever_waits_says_for_whom(
    path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(lease, "PATIENT", 0.1)
    caplog.set_level("INFO")
    one, other = Lease(path), Lease(path)
    one.acquire()
    threading.Timer(1.0, one.release).start()
    assert other.acquire()
    assert f"which process {os.getpid()} on" in caplog.text
    other.release()


def test_lock_files_of_an_earlier_version_are_in_nobodys_way(path: Path) -> None:
    path.with_name("thing.lock").touch()
    mine = Lease(path)
    assert mine.acquire(wait=False)
    mine.release()
