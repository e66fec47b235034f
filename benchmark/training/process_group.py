"""The processes that a launcher started for one job, and the trainings that they share.

Every process runs the same job. Rank 0 runs all of it and alone writes rows; the others run its trainings.
Rank 0 announces each training in a short text. Only tensors go through torch's process group, which is made
for each training.
"""

import logging
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from functools import cache
from typing import ClassVar

from torch import distributed

from benchmark.errors import UserError
from benchmark.training.cluster_environment import World
from benchmark.training.rank_messages import AGAIN, POLL, JobOver, RankMessages

log = logging.getLogger(__name__)

COLLECTIVE = timedelta(minutes=30)
"""Timeout of one exchange of tensors in a training."""
LEAVING = 15.0
"""Seconds that rank 0 waits for the others to leave a training in which a process has failed."""
GRACE = 60.0
"""Seconds after which a process that has not left such a training ends itself."""
GOODBYE = 600.0
"""Seconds that rank 0 waits for the other processes to leave a job that has ended."""


class LeftToRankZero(Exception):
    """Raised on the other ranks at the end of a training: only rank 0 continues with the result."""


class ProcessGroup:
    """All processes of a job, as seen by this process.

    Attributes:
        messages: Texts between the processes.
    """

    current: ClassVar["ProcessGroup | None"] = None
    """The group of the running job; None if this process runs its job alone."""

    def __init__(self, world: World) -> None:
        """Wait until all processes have started.

        Raises: UserError if a process does not start in time.
        """
        self.world = world
        self._in_training, self._hanging = False, 0.0
        self.messages = RankMessages(world, self._leave_in_time)

    @property
    def leads(self) -> bool:
        """True on rank 0."""
        return self.world.rank == 0

    @contextmanager
    def job(self) -> Iterator[None]:
        """Run one job, which every process enters and rank 0 leaves last.

        A process other than rank 0 reports its failure to rank 0, and raises only if rank 0 has ended.
        """
        self.messages.begin_job()
        ProcessGroup.current = self
        try:
            with self._leading() if self.leads else self._joining():
                yield
        finally:
            ProcessGroup.current = None

    def together(self, what: str, lead: Callable[[Callable[[], None]], str], join: Callable[[], None]) -> str:
        """Build something that may need trainings, in all processes, and return the result on every rank.

        Args:
            what: Name of the thing to build.
            lead: Called on rank 0; builds it, calling its argument before each part that `join` shares.
            join: Called on the other ranks each time `lead` has called its argument.
        """
        if self.leads:
            result = lead(lambda: self.messages.tell(what))
            self.messages.tell(what, result)
            return result
        while not (result := self.messages.hear(what)):
            join()
        return result

    def meet(self, what: str, find: Callable[[], str]) -> str:
        """Wait until all processes reach this point; return rank 0's result of `find` on every rank.

        Raises: UserError if another process has failed or ended.
        """
        messages = self.messages
        ready = f"{messages.told + 1}/ready"
        if not self.leads:
            messages.say(ready)
            return messages.hear(what)
        if missing := messages.wait_for_others(ready):
            for rank, reason in messages.failures():
                raise UserError(f"{messages.names([rank])} has failed: {reason}")
            raise UserError(f"{messages.names(missing)} has ended; its log says why. {AGAIN}")
        text = find()
        messages.tell(what, text)
        return text

    @contextmanager
    def training(self, backend: str) -> Iterator[None]:
        """Join all processes into torch's process group; call after `meet`.

        Raises: UserError on rank 0 if another process has failed or ended; any error raised inside.
        """
        rank, size = self.world.rank, self.world.size
        store = self.messages.store(f"{self.messages.told}/group")
        self._in_training = True
        try:
            distributed.init_process_group(
                backend, timeout=COLLECTIVE, store=store, rank=rank, world_size=size
            )
            yield
        except Exception as error:
            self.messages.fail(error)  # first: the others would take closed connections for the cause
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
            self.messages.say(f"{self.messages.told}/out")

    def _blame(self, error: Exception) -> None:
        """Raise UserError if another process caused the error."""
        messages = self.messages
        missing = messages.wait_for_others(f"{messages.told}/out", LEAVING)
        messages.ended.update(missing)
        if missing:
            raise UserError(
                f"the training was cut off: {messages.names(missing)} ended or hangs. {AGAIN}"
            ) from error
        for rank, reason in messages.failures():
            raise UserError(f"the training was cut off by {messages.names([rank])}: {reason}") from error

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
                self.messages.end_job()
                missing = self.messages.wait_for_others(
                    "left", patience
                )  # the store may end with this process
                if patience and missing:
                    log.warning("%s did not leave the job", self.messages.names(missing))

    @contextmanager
    def _joining(self) -> Iterator[None]:
        try:
            yield
        except JobOver:
            log.debug("rank 0 has ended the job")
        except Exception as error:
            self.messages.fail(error)
            while not self.messages.is_over:
                time.sleep(POLL)
        with suppress(RuntimeError):  # rank 0 may have ended, and then needs no answer
            self.messages.say("left")

    def _leave_in_time(self, seconds: float) -> None:
        """End this process if another has failed or ended and this one is stuck in a training.

        The heartbeat's thread calls this after each beat.
        """
        troubles = self.messages.troubles() if self._in_training else []
        self._hanging = self._hanging + seconds if troubles else 0.0
        if self._hanging > GRACE:
            log.critical("rank %d hangs since %s. %s", self.world.rank, troubles[0], AGAIN)
            os._exit(1)


@cache
def group_of(world: World) -> ProcessGroup:
    """Return the group of this process, built at the first call."""
    return ProcessGroup(world)
