"""The processes that were started together for one job: rank 0 does it, the others join its trainings.

Rank 0 gives numbered orders through a store of keys, which it holds (or torchrun's agent), and the others
ask for the next one, for hours where need be. They are torch's process group only during a training: who
fails in one comes out of it, and hears what is next.
"""

import logging
import os
import pickle
import platform
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import cache
from threading import Event, Thread
from typing import Any

from torch import distributed
from torch.distributed.distributed_c10d import PrefixStore, Store
from torch.distributed.rendezvous import rendezvous

from benchmark.errors import UserError
from benchmark.training.cluster_environment import World

log = logging.getLogger(__name__)

COMING = timedelta(minutes=10)
"""For all processes to start: libraries may be read over a slow file system."""
SILENT = timedelta(minutes=30)
"""In a training, for one process to wait for another."""
ANSWER = 120.0
"""Seconds for a process that waits to hear an order."""
LEAVING = 15.0
"""Seconds for the others to come out of a training in which one process has failed."""
GRACE = 60.0
"""Seconds after which one that has not come out ends."""
POLL = 0.2

OVER = "over"
PART = 1 << 22
"""Bytes that go through the store at once; it takes no more than 8 MiB."""
AGAIN = "Start the same command again: it goes on where it was"

Work = Callable[[], Any]


class Ranks:
    """This process's line to the others; one that trains with them keeps it to its end."""

    def __init__(self, world: World) -> None:
        """Wait until all processes are there.

        Raises: UserError where they do not come.
        """
        self.world = world
        self._number = 0
        self._gone: set[int] = set()
        """Ranks that rank 0 no longer waits for."""
        place = f"{world.address}:{world.port}"
        try:
            found = next(iter(rendezvous(f"tcp://{place}", world.rank, world.size, timeout=COMING)))
        except (RuntimeError, OSError) as error:
            raise UserError(
                f"rank {world.rank} of {world} did not meet the others at {place} within {COMING}: their "
                f"logs may say why; MASTER_ADDR and MASTER_PORT name another place ({_line(error)})"
            ) from error
        self._store: Store = PrefixStore("benchmark", found[0])
        # Of its own: one that waits for a key keeps the line to itself.
        self._watched: Store = PrefixStore("benchmark", found[0].clone())
        self._store.set(f"process/{world.rank}", f"process {os.getpid()} on {platform.node()}")
        self._leader = self._store.get("process/0").decode()

    @contextmanager
    def leading(self) -> Iterator[None]:
        """Rank 0's job; whatever becomes of it, the others hear of its end."""
        patience = ANSWER
        try:
            yield
        except (SystemExit, KeyboardInterrupt):  # what ends this process ends the others as well
            patience = 0.0
            raise
        finally:
            self._order(OVER)
            missing = self._await("heard", patience)  # the store may end with this process
            if missing and patience:
                log.warning("%s did not hear that the job is over", self._names(missing))

    def together(self, own: Work, others: Work, backend: str) -> None:
        """Rank 0: call `own` here and `others` everywhere else, all of them one process group.

        Raises: UserError where another process has failed or ended, and whatever `own` raises.
        """
        if self._gone:  # in a job before this one
            raise UserError(f"{self._names(self._gone)} ended or hangs. {AGAIN}")
        content = pickle.dumps((others, backend))
        parts = [content[place : place + PART] for place in range(0, len(content), PART)]
        for key, part in zip(self._keys(len(parts), self._number + 1), parts, strict=True):
            self._store.set(key, part)  # type: ignore[arg-type]  # bytes will do
        self._order(str(len(parts)))
        try:
            self._take_part(len(parts), own, backend)
        except Exception as error:
            if self._gone:  # it never began
                raise
            self._gone.update(self._await("out", LEAVING))
            if self._gone:
                who = self._names(self._gone)
                raise UserError(f"the training was cut off: {who} ended or hangs. {AGAIN}") from error
            for rank, text in self._failures():
                raise UserError(f"the training was cut off by {self._names([rank])}: {text}") from error
            raise

    def follow(self) -> None:
        """Every other rank: take part in the trainings of a job of rank 0's, until it is over.

        Raises: UserError where rank 0 has ended before.
        """
        try:
            while (order := self._next()) != OVER:
                try:
                    self._take_part(int(order))
                except Exception as error:
                    log.warning("rank %d left the training: %s", self.world.rank, _line(error))
                self._say("out")
        except RuntimeError as error:  # the store is gone
            raise UserError(
                f"rank 0 ({self._leader}) has ended, and with it the job; its log says why. {AGAIN}"
            ) from error

    def _take_part(self, parts: int, work: Work | None = None, backend: str = "") -> None:
        """In the last order; ranks other than 0 get what there is to do, in so many parts."""
        keys = self._keys(parts, self._number)
        with self._leaving_in_time(), self._telling():
            self._require("heard", ANSWER)
            if work is None:
                work, backend = pickle.loads(b"".join(map(self._store.get, keys)))
            self._say("ready")
            self._require("ready", COMING.total_seconds())  # libraries are read for it
            if self.world.rank == 0:
                for key in keys:
                    self._store.delete_key(key)
            with self._group(backend):
                work()

    @staticmethod
    def _keys(parts: int, number: int) -> list[str]:
        return [f"{number}/sent/{part}" for part in range(parts)]

    @contextmanager
    def _group(self, backend: str) -> Iterator[None]:
        """All processes as torch's process group."""
        rank, size = self.world.rank, self.world.size
        store = PrefixStore(f"{self._number}/group", self._store)
        distributed.init_process_group(backend, timeout=SILENT, store=store, rank=rank, world_size=size)
        try:
            with self._telling():  # before the line is closed, which the others would take for the cause
                yield
        finally:
            distributed.destroy_process_group()

    @contextmanager
    def _telling(self) -> Iterator[None]:
        """A failure is told to the others, unless it follows from one of theirs."""
        try:
            yield
        except Exception as error:
            if not self._failures() and not self._has_said("failed", self.world.rank):
                self._say("failed", _line(error))
                if self.world.rank and not isinstance(error, UserError):
                    log.exception("rank %d failed", self.world.rank)
            raise

    @contextmanager
    def _leaving_in_time(self) -> Iterator[None]:
        """End this process where another has failed and this one does not come out, as NCCL may not."""
        left = Event()

        def watch() -> None:
            while not left.wait(1.0):
                try:
                    failures = self._failures(self._watched)
                except RuntimeError as error:
                    failures = [(0, _line(error))]
                if failures and not left.wait(GRACE):
                    rank, text = failures[0]
                    message = "rank %d hangs since rank %d failed: %s. %s"
                    log.critical(message, self.world.rank, rank, text, AGAIN)
                    os._exit(1)

        Thread(target=watch, daemon=True, name="ranks").start()
        try:
            yield
        finally:
            left.set()

    def _order(self, what: str) -> None:
        self._number += 1
        self._store.set(f"{self._number}/order", what)

    def _next(self) -> str:
        """The next order; what rank 0 does until then may take hours."""
        self._number += 1
        while not self._store.check([f"{self._number}/order"]):
            time.sleep(POLL)
        self._say("heard")
        return self._store.get(f"{self._number}/order").decode()

    def _say(self, what: str, text: str = "") -> None:
        self._store.set(f"{self._number}/{what}/{self.world.rank}", text)

    def _has_said(self, what: str, rank: int) -> bool:
        return bool(self._store.check([f"{self._number}/{what}/{rank}"]))

    def _failures(self, store: Store | None = None) -> list[tuple[int, str]]:
        """Ranks other than this one that have failed in what was ordered last, and how."""
        store = store or self._store
        others = {rank: f"{self._number}/failed/{rank}" for rank in range(self.world.size)}
        del others[self.world.rank]
        return [(rank, store.get(key).decode()) for rank, key in others.items() if store.check([key])]

    def _await(self, what: str, seconds: float) -> list[int]:
        """Rank 0: the others that have not said it in time, or before one of them failed."""
        end = time.monotonic() + seconds
        missing = [rank for rank in range(1, self.world.size) if rank not in self._gone]
        while missing := [rank for rank in missing if not self._has_said(what, rank)]:
            if time.monotonic() > end or (what == "ready" and self._failures()):
                break
            time.sleep(POLL)
        return missing

    def _require(self, what: str, seconds: float) -> None:
        """Rank 0: go on when all others have said it."""
        if self.world.rank == 0 and (missing := self._await(what, seconds)):
            if not self._failures():
                self._gone.update(missing)
            raise UserError(f"{self._names(missing)} did not answer; its log says why. {AGAIN}")

    def _names(self, ranks: Iterable[int]) -> str:
        return " and ".join(f"rank {rank} ({self._store.get(f'process/{rank}').decode()})" for rank in ranks)


@cache
def ranks_of(world: World) -> Ranks:
    """The line of this process, made when it is first asked for."""
    return Ranks(world)


def _line(error: BaseException) -> str:
    """An error in one line."""
    text = " ".join(str(error).split())
    return text if isinstance(error, UserError) else f"{type(error).__name__}: {text}"
