"""Short texts between the processes of one job, through the key-value store of torch's rendezvous.

The store is held by rank 0 or by torchrun's agent. Every key but those of the processes begins with the
number of the job, so that jobs which follow each other in the same processes never read each other's texts.
"""

import json
import logging
import math
import os
import platform
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import timedelta

from torch.distributed.distributed_c10d import PrefixStore, Store
from torch.distributed.rendezvous import rendezvous

from benchmark.errors import UserError
from benchmark.training.cluster_environment import World
from benchmark.training.heartbeat import Heartbeat

log = logging.getLogger(__name__)

COMING = timedelta(minutes=10)
"""Timeout for all processes to start: libraries may be read over a slow file system."""
POLL = 0.2
AGAIN = "Start the same command again: it goes on where it was"


class JobOver(Exception):
    """Raised on the other ranks when rank 0 has ended the job."""


class RankMessages:
    """Texts that the processes of a job send each other, as seen by this process.

    Attributes:
        told: Number of texts that rank 0 has told in this job. It is the same in all processes at the same
            point of the job, and so names that point.
    """

    def __init__(self, world: World, each_beat: Callable[[float], None]) -> None:
        """Wait until all processes have started.

        Args:
            world: All processes of the job, and which of them this one is.
            each_beat: Called after each heartbeat, in a thread, with the seconds between beats.

        Raises: UserError if a process does not start within `COMING`.
        """
        self.world = world
        self.told = self._job = 0
        place = f"{world.address}:{world.port}"
        try:
            found = next(iter(rendezvous(f"tcp://{place}", world.rank, world.size, timeout=COMING)))[0]
            self._store: Store = PrefixStore("benchmark", found)
            # A connection of its own for the thread: a wait for a key blocks its connection for all others.
            self._watched: Store = PrefixStore("benchmark", found.clone())
            others = range(1, world.size) if world.rank == 0 else range(1)
            self._heartbeat = Heartbeat(self._watched, world.rank, others, each_beat)
            self._store.set(f"process/{world.rank}", f"process {os.getpid()} on {platform.node()}")
            self._store.wait([f"process/{rank}" for rank in range(world.size)], COMING)
        except (RuntimeError, OSError) as error:
            raise UserError(
                f"rank {world.rank} of {world} did not meet the others at {place} within {COMING}: their "
                f"logs may say why; MASTER_ADDR and MASTER_PORT name another place ({as_line(error)})"
            ) from error
        self._leader = self.names([0])
        self._heartbeat.start()

    @property
    def ended(self) -> set[int]:
        """Ranks whose processes have ended."""
        return self._heartbeat.ended

    def begin_job(self) -> None:
        """Begin the next job; every process calls this once per job."""
        self._job, self.told = self._job + 1, 0

    def end_job(self) -> None:
        """Tell the other processes, on rank 0, that the job is over."""
        self._store.set(self._key("over"), "")

    @property
    def is_over(self) -> bool:
        """True once rank 0 has ended the job. Raises: UserError if rank 0's process has ended before."""
        return self._has("over")

    def tell(self, what: str, text: str = "") -> None:
        """Send `text` about `what` from rank 0 to all other processes; see `hear`."""
        self.told += 1
        self._store.set(self._key(self.told), json.dumps([what, text]))

    def hear(self, what: str) -> str:
        """Wait for the next text of rank 0, for hours if necessary: rank 0 may be scoring meanwhile.

        Raises:
            JobOver: rank 0 has ended the job.
            UserError: rank 0 itself has ended, or its text is not about `what`.
        """
        self.told += 1
        while not self._has(self.told):
            if self.is_over:
                raise JobOver
            time.sleep(POLL)
        told, text = json.loads(self._store.get(self._key(self.told)))
        if told != what:
            raise UserError(
                f"rank 0 is at {told}, and rank {self.world.rank} at {what}: all processes must be given the "
                "same command, and the same checkout"
            )
        return str(text)

    def say(self, what: str, text: str = "") -> None:
        """Let all processes know that this one is at `what`."""
        self._store.set(self._key(f"{what}/{self.world.rank}"), text)

    def wait_for_others(self, what: str, seconds: float | None = None) -> list[int]:
        """Wait on rank 0 until all others said `what`, at most `seconds`; return the ranks that are missing.

        The wait ends when all missing ranks have ended; without a limit, when any has failed or ended.
        """
        end = time.monotonic() + (math.inf if seconds is None else seconds)
        missing = [*range(1, self.world.size)]
        while missing := [r for r in missing if not self._store.check([self._key(f"{what}/{r}")])]:
            ended = self.ended.intersection(missing)
            if time.monotonic() > end or len(ended) == len(missing):
                break
            if seconds is None and (ended or self.failures()):
                return sorted(ended) or missing
            time.sleep(POLL)
        return missing

    def fail(self, error: Exception) -> None:
        """Report a failure to the others, once, unless it follows from a failure of theirs."""
        with suppress(RuntimeError):
            if self.failures() or self._store.check([self._key(f"failed/{self.world.rank}")]):
                return
            self.say("failed", as_line(error))
            if self.world.rank and not isinstance(error, UserError):
                log.error("rank %d failed", self.world.rank, exc_info=error)

    def failures(self) -> list[tuple[int, str]]:
        """Return the other ranks that have failed in this job, each with its error."""
        return self._failures(self._store)

    def troubles(self) -> list[str]:
        """Return which others have failed or ended, in words; may be called in the heartbeat's thread."""
        found = [f"rank {rank} ended" for rank in self.ended]
        with suppress(RuntimeError):  # the store is lost, which the heartbeat records
            found += [f"rank {rank} failed: {text}" for rank, text in self._failures(self._watched)]
        return found

    def names(self, ranks: Iterable[int]) -> str:
        """Return the ranks with their processes and machines."""
        return " and ".join(f"rank {rank} ({self._store.get(f'process/{rank}').decode()})" for rank in ranks)

    def store(self, name: str) -> Store:
        """Return a part of the store for torch's process group, which no other point of any job uses."""
        return PrefixStore(self._key(name), self._store)

    def _key(self, name: object) -> str:
        return f"{self._job}/{name}"

    def _has(self, name: object) -> bool:
        """Return whether rank 0 has set a key. Raises: UserError if rank 0 has ended before."""
        with suppress(RuntimeError):  # the store is lost, which the heartbeat records as well
            if self._store.check([self._key(name)]):
                return True
            if 0 not in self.ended:
                return False
        raise UserError(f"{self._leader} has ended, and with it the job; its log says why. {AGAIN}")

    def _failures(self, store: Store) -> list[tuple[int, str]]:
        others = {rank: self._key(f"failed/{rank}") for rank in range(self.world.size)}
        del others[self.world.rank]
        return [(rank, store.get(key).decode()) for rank, key in others.items() if store.check([key])]


def as_line(error: BaseException) -> str:
    """Format an error as one line."""
    text = " ".join(str(error).split())
    return text if isinstance(error, UserError) else f"{type(error).__name__}: {text}"
