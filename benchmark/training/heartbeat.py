"""Heartbeats between the processes of one job, through the key-value store of torch's rendezvous."""

import atexit
from collections.abc import Callable, Iterable
from itertools import count
from threading import Event, Thread

from torch.distributed import Store

BEAT = 1.0
"""Seconds between two heartbeats of a process."""
SILENT = 120
"""Number of beats of this process without a beat of another, after which the other is considered dead."""


class Heartbeat:
    """A thread that writes the heartbeats of this process, and records which other processes have ended.

    Attributes:
        ended: Ranks that have ended. If the store is gone, rank 0 counts as ended, because rank 0 or torchrun
            holds the store.
    """

    def __init__(
        self, store: Store, rank: int, others: Iterable[int], each_beat: Callable[[float], None]
    ) -> None:
        """Write the first heartbeat.

        Args:
            store: A connection to the store on which no other thread waits.
            rank: Rank of this process.
            others: Ranks to watch.
            each_beat: Called after each beat with the seconds between beats.
        """
        self.ended: set[int] = set()
        self._store, self._rank, self._each_beat = store, rank, each_beat
        self._silent = dict.fromkeys(others, 0)
        self._last: dict[int, bytes] = {}
        self._over = Event()
        store.set(f"beat/{rank}", "0")
        self._thread = Thread(target=self._run, daemon=True, name="heartbeat")

    def start(self) -> None:
        """Start the thread; call after all others have written their first heartbeat."""
        self._thread.start()
        # A thread that is inside the store's code when the interpreter exits would abort the process.
        atexit.register(self._stop)

    def _stop(self) -> None:
        self._over.set()
        self._thread.join(10 * BEAT)

    def _run(self) -> None:
        for number in count(1):
            if self._over.wait(BEAT):
                return
            try:
                self._look(number)
            except RuntimeError:
                self.ended.add(0)
            self._each_beat(BEAT)

    def _look(self, number: int) -> None:
        """Write a beat and check the others.

        Beats are counted, not seconds: in a job that was suspended as a whole, no process has ended.
        """
        self._store.set(f"beat/{self._rank}", str(number))
        for rank, silent in self._silent.items():
            beat = self._store.get(f"beat/{rank}")
            self._silent[rank] = silent + 1 if self._last.get(rank) == beat else 0
            self._last[rank] = beat
            if self._silent[rank] >= SILENT:
                self.ended.add(rank)
