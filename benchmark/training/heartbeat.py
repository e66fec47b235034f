"""Signs of life of the processes of one job, through the key-value store of torch's rendezvous."""

import atexit
from collections.abc import Callable, Iterable
from itertools import count
from threading import Event, Thread

from torch.distributed import Store

BEAT = 1.0
"""Seconds between two signs of life of a process."""
SILENT = 120
"""Beats of this process without a sign of life of another, after which the other is taken for dead."""


class Heartbeat:
    """A thread that shows that this process lives, and notes which of the others do not.

    Attributes:
        ended: Ranks that have ended. Rank 0 has ended where the store has: rank 0, or torchrun, holds it.
    """

    def __init__(
        self, store: Store, rank: int, others: Iterable[int], each_beat: Callable[[float], None]
    ) -> None:
        """Give the first sign of life.

        Args:
            store: A connection that no other thread waits at.
            rank: Of this process.
            others: Ranks to look for.
            each_beat: Called after each beat with its seconds.
        """
        self.ended: set[int] = set()
        self._store, self._rank, self._each_beat = store, rank, each_beat
        self._silent = dict.fromkeys(others, 0)
        self._last: dict[int, bytes] = {}
        self._over = Event()
        store.set(f"beat/{rank}", "0")
        self._thread = Thread(target=self._run, daemon=True, name="heartbeat")

    def start(self) -> None:
        """Start, once the others have their first sign of life in the store."""
        self._thread.start()
        # A thread within the store's code at the interpreter's end would abort the process.
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
        """Beats are counted, not seconds: a job that was suspended as a whole has lost nobody."""
        self._store.set(f"beat/{self._rank}", str(number))
        for rank, silent in self._silent.items():
            beat = self._store.get(f"beat/{rank}")
            self._silent[rank] = silent + 1 if self._last.get(rank) == beat else 0
            self._last[rank] = beat
            if self._silent[rank] >= SILENT:
                self.ended.add(rank)
