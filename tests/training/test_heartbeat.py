"""Tests of heartbeats: a process without beats counts as ended, and so does rank 0 if the store is lost."""

import time
from collections.abc import Callable

import pytest
from torch.distributed import HashStore

from benchmark.training import heartbeat
from benchmark.training.heartbeat import Heartbeat


@pytest.fixture(autouse=True)
def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heartbeat, "BEAT", 0.01)
    monkeypatch.setattr(heartbeat, "SILENT", 20)


def begin(store: HashStore, rank: int, others: list[int]) -> Heartbeat:
    return Heartbeat(store, rank, others, lambda _: None)


def wait_until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not true():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_a_silent_rank_has_ended_and_one_that_beats_has_not() -> None:
    store = HashStore()
    beats = [begin(store, 0, [1, 2]), begin(store, 1, [0]), begin(store, 2, [0])]
    beats[0].start()
    beats[1].start()
    wait_until(lambda: bool(beats[0].ended))
    time.sleep(0.5)
    assert beats[0].ended == {2} and not beats[1].ended
    for beat in beats[:2]:
        beat._stop()
    beats[2].start()
    wait_until(lambda: beats[2].ended == {0})  # the thread of rank 0 has stopped
    beats[2]._stop()


class Lost(HashStore):
    """A store whose connection breaks after the first heartbeat."""

    def get(self, key: str) -> bytes:
        raise RuntimeError(f"no connection for {key}")


def test_rank_0_has_ended_where_the_store_has() -> None:
    beat = begin(Lost(), 1, [0])
    beat.start()
    wait_until(lambda: beat.ended == {0})
    beat._stop()
