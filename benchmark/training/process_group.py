"""The processes that a launcher started for one job, and the messages between them.

Every process runs the same job. Rank 0 runs all of it and alone writes rows; the others run its trainings.
Rank 0 announces each training in a short text, through the key-value store of torch's rendezvous, held by
rank 0 or torchrun's agent. Only tensors go through torch's process group, which is made for each training.
"""

import json
import logging
import math
import os
import platform
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from functools import cache
from typing import ClassVar

from torch import distributed
from torch.distributed.distributed_c10d import PrefixStore, Store
from torch.distributed.rendezvous import rendezvous

from benchmark.errors import UserError
from benchmark.training.cluster_environment import World
from benchmark.training.heartbeat import Heartbeat

log = logging.getLogger(__name__)

COMING = timedelta(minutes=10)
"""Timeout for all processes to start: libraries may be read over a slow file system."""
COLLECTIVE = timedelta(minutes=30)
"""Timeout of one exchange of tensors in a training."""
LEAVING = 15.0
"""Seconds that rank 0 waits for the others to leave a training in which a process has failed."""
GRACE = 60.0
"""Seconds after which a process that has not left such a training ends itself."""
GOODBYE = 600.0
"""Seconds that rank 0 waits for the other processes to leave a job that has ended."""
POLL = 0.2
AGAIN = "Start the same command again: it goes on where it was"


class JobOver(Exception):
    """Raised on the other ranks when rank 0 has ended the job."""


class LeftToRankZero(Exception):
    """Raised on the other ranks at the end of a training: only rank 0 continues with the result."""


class ProcessGroup:
    """All processes of a job, as seen by this process."""

    current: ClassVar["ProcessGroup | None"] = None
    """The group of the running job; None if this process runs its job alone."""

    def __init__(self, world: World) -> None:
        """Wait until all processes have started.

        Raises: UserError if a process does not start within `COMING`.
        """
        self.world = world
        self._job = self._told = 0
        self._in_training, self._hanging = False, 0.0
        place = f"{world.address}:{world.port}"
        try:
            found = next(iter(rendezvous(f"tcp://{place}", world.rank, world.size, timeout=COMING)))[0]
            self._store: Store = PrefixStore("benchmark", found)
            # A connection of its own for the thread: a wait for a key blocks its connection for all others.
            self._watched: Store = PrefixStore("benchmark", found.clone())
            others = range(1, world.size) if world.rank == 0 else range(1)
            self._heartbeat = Heartbeat(self._watched, world.rank, others, self._leave_in_time)
            self._store.set(f"process/{world.rank}", f"process {os.getpid()} on {platform.node()}")
            self._store.wait([f"process/{rank}" for rank in range(world.size)], COMING)
        except (RuntimeError, OSError) as error:
            raise UserError(
                f"rank {world.rank} of {world} did not meet the others at {place} within {COMING}: their "
                f"logs may say why; MASTER_ADDR and MASTER_PORT name another place ({_line(error)})"
            ) from error
        self._leader = self._names([0])
        self._heartbeat.start()

    @property
    def leads(self) -> bool:
        """True on rank 0."""
        return self.world.rank == 0

    @contextmanager
    def job(self) -> Iterator[None]:
        """Run one job, which every process enters and rank 0 leaves last.

        A process other than rank 0 reports its failure to rank 0, and raises only if rank 0 has ended.
        """
        self._job, self._told = self._job + 1, 0
        ProcessGroup.current = self
        try:
            with self._leading() if self.leads else self._joining():
                yield
        finally:
            ProcessGroup.current = None

    def tell(self, what: str, text: str = "") -> None:
        """Send `text` about `what` from rank 0 to all other processes; see `hear`."""
        self._told += 1
        self._store.set(self._key(self._told), json.dumps([what, text]))

    def hear(self, what: str) -> str:
        """Wait for the next text of rank 0, for hours if necessary: rank 0 may be scoring meanwhile.

        Raises:
            JobOver: rank 0 has ended the job.
            UserError: rank 0 itself has ended, or its text is not about `what`.
        """
        self._told += 1
        while not self._has(self._key(self._told)):
            if self._has(self._key("over")):
                raise JobOver
            time.sleep(POLL)
        told, text = json.loads(self._store.get(self._key(self._told)))
        if told != what:
            raise UserError(
                f"rank 0 is at {told}, and rank {self.world.rank} at {what}: all processes must be given the "
                "same command, and the same checkout"
            )
        return str(text)

    def together(self, what: str, lead: Callable[[Callable[[], None]], str], join: Callable[[], None]) -> str:
        """Build something that may need trainings, in all processes, and return the result on every rank.

        Args:
            what: Name of the thing to build.
            lead: Called on rank 0; builds it, calling its argument before each part that `join` shares.
            join: Called on the other ranks each time `lead` has called its argument.
        """
        if self.leads:
            result = lead(lambda: self.tell(what))
            self.tell(what, result)
            return result
        while not (result := self.hear(what)):
            join()
        return result

    def meet(self, what: str, find: Callable[[], str]) -> str:
        """Wait until all processes reach this point; return rank 0's result of `find` on every rank.

        Raises: UserError if another process has failed or ended.
        """
        if not self.leads:
            self._say(f"{self._told + 1}/ready")
            return self.hear(what)
        if missing := self._await(f"{self._told + 1}/ready"):
            for rank, reason in self._failures():
                raise UserError(f"{self._names([rank])} has failed: {reason}")
            raise UserError(f"{self._names(missing)} has ended; its log says why. {AGAIN}")
        text = find()
        self.tell(what, text)
        return text

    @contextmanager
    def training(self, backend: str) -> Iterator[None]:
        """Join all processes into torch's process group; call after `meet`.

        Raises: UserError on rank 0 if another process has failed or ended; any error raised inside.
        """
        rank, size = self.world.rank, self.world.size
        store = PrefixStore(self._key(f"{self._told}/group"), self._store)
        self._in_training = True
        try:
            distributed.init_process_group(
                backend, timeout=COLLECTIVE, store=store, rank=rank, world_size=size
            )
            yield
        except Exception as error:
            self._fail(error)  # first: the others would take closed connections for the cause
            self._leave()
            if self.leads:
                self._blame(error)
            raise
        finally:
            self._leave()

    def _leave(self) -> None:
        """Leave torch's process group, unless this process has left already."""
        if distributed.is_initialized():
            distributed.destroy_process_group()
        self._in_training = False
        with suppress(RuntimeError):
            self._say(f"{self._told}/out")

    def _blame(self, error: Exception) -> None:
        """Raise UserError if another process caused the error."""
        missing = self._await(f"{self._told}/out", LEAVING)
        self._heartbeat.ended.update(missing)
        if missing:
            raise UserError(
                f"the training was cut off: {self._names(missing)} ended or hangs. {AGAIN}"
            ) from error
        for rank, reason in self._failures():
            raise UserError(f"the training was cut off by {self._names([rank])}: {reason}") from error

    @contextmanager
    def _leading(self) -> Iterator[None]:
        patience = GOODBYE
        try:
            yield
        except (SystemExit, KeyboardInterrupt):  # an exit of this process ends the others as well
            patience = 0.0
            raise
        finally:
            with suppress(RuntimeError):  # torchrun, which holds the store, may have ended
                self._store.set(self._key("over"), "")
                missing = self._await("left", patience)  # the store may end with this process
                if patience and missing:
                    log.warning("%s did not leave the job", self._names(missing))

    @contextmanager
    def _joining(self) -> Iterator[None]:
        try:
            yield
        except JobOver:
            log.debug("rank 0 has ended the job")
        except Exception as error:
            self._fail(error)
            while not self._has(self._key("over")):
                time.sleep(POLL)
        with suppress(RuntimeError):  # rank 0 may have ended, and then needs no answer
            self._say("left")

    def _key(self, name: object) -> str:
        return f"{self._job}/{name}"

    def _say(self, what: str, text: str = "") -> None:
        self._store.set(self._key(f"{what}/{self.world.rank}"), text)

    def _has(self, key: str) -> bool:
        """Return whether rank 0 has set a key. Raises: UserError if rank 0 has ended before."""
        with suppress(RuntimeError):  # the store is lost, which the heartbeat records as well
            if self._store.check([key]):
                return True
            if 0 not in self._heartbeat.ended:
                return False
        raise UserError(f"{self._leader} has ended, and with it the job; its log says why. {AGAIN}")

    def _fail(self, error: Exception) -> None:
        """Report a failure to the others, once, unless it follows from a failure of theirs."""
        with suppress(RuntimeError):
            if self._failures() or self._store.check([self._key(f"failed/{self.world.rank}")]):
                return
            self._say("failed", _line(error))
            if not self.leads and not isinstance(error, UserError):
                log.error("rank %d failed", self.world.rank, exc_info=error)

    def _failures(self, store: Store | None = None) -> list[tuple[int, str]]:
        """Return the other ranks that have failed in this job, each with its error."""
        store = store or self._store
        others = {rank: self._key(f"failed/{rank}") for rank in range(self.world.size)}
        del others[self.world.rank]
        return [(rank, store.get(key).decode()) for rank, key in others.items() if store.check([key])]

    def _await(self, what: str, seconds: float | None = None) -> list[int]:
        """Wait on rank 0 for `what` from all others, at most `seconds`; return the ranks that are missing.

        The wait ends when all missing ranks have ended; without a limit, when any has failed or ended.
        """
        end = time.monotonic() + (math.inf if seconds is None else seconds)
        missing = [*range(1, self.world.size)]
        while missing := [r for r in missing if not self._store.check([self._key(f"{what}/{r}")])]:
            ended = self._heartbeat.ended.intersection(missing)
            if time.monotonic() > end or len(ended) == len(missing):
                break
            if seconds is None and (ended or self._failures()):
                return sorted(ended) or missing
            time.sleep(POLL)
        return missing

    def _leave_in_time(self, seconds: float) -> None:
        """End this process if another has failed or ended and this one is stuck in a training."""
        reasons = [f"rank {rank} ended" for rank in self._heartbeat.ended]
        with suppress(RuntimeError):  # the store is lost, which the heartbeat records
            reasons += [f"rank {rank} failed: {text}" for rank, text in self._failures(self._watched)]
        self._hanging = self._hanging + seconds if reasons and self._in_training else 0.0
        if self._hanging > GRACE:
            log.critical("rank %d hangs since %s. %s", self.world.rank, reasons[0], AGAIN)
            os._exit(1)

    def _names(self, ranks: Iterable[int]) -> str:
        return " and ".join(f"rank {rank} ({self._store.get(f'process/{rank}').decode()})" for rank in ranks)


@cache
def group_of(world: World) -> ProcessGroup:
    """Return the group of this process, built at the first call."""
    return ProcessGroup(world)


def _line(error: BaseException) -> str:
    """Format an error as one line."""
    text = " ".join(str(error).split())
    return text if isinstance(error, UserError) else f"{type(error).__name__}: {text}"
