"""A right to build that one process has at a time, also over a shared file system, and that survives nobody.

The holder keeps a file `<path>.lease/<n>` and touches it every few seconds. Whoever finds a holder of its own
machine gone, or another's file untouched for `STALE` seconds, takes over by making the file of number n + 1:
the file system lets one succeed. Nothing here asks for `flock`, which NFS and its like keep badly; what is
asked is that making a hard link fails where the name exists. Ages are differences of times that the file
server has given, so that the machines' clocks need not agree.
"""

import contextlib
import json
import logging
import os
import platform
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from threading import Event, Thread

import psutil

log = logging.getLogger(__name__)

BEAT = 10.0
"""Seconds between two signs of life."""
STALE = 120.0
"""Seconds without one after which a holder on another machine is taken for dead."""
POLL = 0.05, 2.0
"""Seconds between two looks of a process that waits: at first, and at most."""
PATIENT, SAY_AGAIN = 10.0, 300.0
"""Seconds of waiting after which it says so, and until it says so again."""
JOB_VARIABLES = ("SLURM_JOB_ID", "RAY_JOB_ID")


@dataclass(frozen=True)
class Holder:
    """The process that has a lease."""

    host: str
    space: str
    """The host's space of process numbers: containers have their own."""
    pid: int
    job: str = ""
    """What the scheduler calls it."""

    @classmethod
    def me(cls) -> "Holder":
        """This process."""
        job = next((f"{name} {os.environ[name]}" for name in JOB_VARIABLES if os.environ.get(name)), "")
        return cls(platform.node(), _space(), os.getpid(), job)

    @property
    def is_gone(self) -> bool:
        """Whether it is known to have ended; False where this process cannot see it, or its number is used
        again: then it falls silent.
        """
        if (self.host, self.space) != (platform.node(), _space()):
            return False
        try:
            return psutil.Process(self.pid).status() == psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return True

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}" + (f" ({self.job})" if self.job else "")


class Lease:
    """The right to make what `path` names."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: Path | None = None
        self._ended = Event()

    def acquire(self, wait: bool = True) -> bool:
        """Take it; whether it was had, which is sure where we wait."""
        start = time.monotonic()
        pause, say = POLL[0], start + PATIENT
        while not self._try():
            if not wait:
                return False
            if time.monotonic() > say:
                say = time.monotonic() + SAY_AGAIN
                log.info(
                    "waiting for %s, which %s makes", self.path, holder_of(self.path) or "another process"
                )
            time.sleep(pause)
            pause = min(2 * pause, POLL[1])
        self._ended.clear()
        Thread(target=self._beat, args=(self._file,), daemon=True, name=f"lease of {self.path.name}").start()
        return True

    def release(self) -> None:
        """Give it back; nothing where it was lost."""
        self._ended.set()
        if self._file is not None:
            self._file.unlink(missing_ok=True)
            with contextlib.suppress(OSError):  # others wait, or have removed it
                self._file.parent.rmdir()
            self._file = None

    @property
    def is_held(self) -> bool:
        """False once another process has taken it over, as from one that was suspended too long."""
        return self._file is not None and self._file.exists()

    def _try(self) -> bool:
        """Make the file of the next number, unless somebody is alive behind the last one."""
        folder = _folder(self.path)
        with contextlib.suppress(FileExistsError):  # not exist_ok: who had it may remove it meanwhile
            folder.mkdir()
        try:
            with _draft(folder) as own:
                own.write_text(json.dumps(asdict(Holder.me())))  # whole before it has the name that counts
                self._file = self._succeed(_last(folder), own)
        except FileNotFoundError:  # who had it has just removed the folder
            return False
        return self._file is not None

    def _succeed(self, last: Path | None, own: Path) -> Path | None:
        """The file of the number after `last`, None where that one lives or another process was faster."""
        if last is not None and not _is_dead(last, own.stat().st_mtime):
            return None
        mine = own.with_name(str(1 if last is None else int(last.name) + 1))
        try:
            mine.hardlink_to(own)
        except FileExistsError:
            return None
        # Who looked long ago may have made a file of a number that is long gone by.
        if _last(mine.parent) != mine or (last is not None and not last.exists()):
            mine.unlink(missing_ok=True)
            return None
        if last is not None:
            log.warning("%s is no more; its work on %s is taken over", _read(last) or "who had it", self.path)
            last.unlink(missing_ok=True)
        return mine

    def _beat(self, file: Path) -> None:
        while not self._ended.wait(BEAT):
            try:
                os.utime(file)  # without a time: the server's own
            except FileNotFoundError:
                if not self._ended.is_set():
                    log.warning("the right to make %s was lost to another process", self.path)
                return
            except OSError as error:
                log.debug("%s cannot be touched: %s", file, error)


def holder_of(path: Path) -> Holder | None:
    """Who is building what `path` names, None where nobody alive is."""
    try:
        with _draft(_folder(path)) as probe:
            probe.touch()
            last = _last(probe.parent)
            return None if last is None or _is_dead(last, probe.stat().st_mtime) else _read(last)
    except FileNotFoundError:
        return None


def _folder(path: Path) -> Path:
    return path.with_name(f"{path.name}.lease")


@contextlib.contextmanager
def _draft(folder: Path) -> Iterator[Path]:
    """A name that no other process uses, and no file of that name afterwards."""
    path = folder / f".{platform.node()}.{os.getpid()}.{time.time_ns()}"
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)


def _is_dead(file: Path, now: float) -> bool:
    """Whether the holder behind a file is gone, `now` being the file server's time."""
    holder = _read(file)
    if holder is not None and holder.is_gone:
        return True
    with file.open("rb") as opened:  # a file server is asked again on opening, and not for a mere look
        return now - os.fstat(opened.fileno()).st_mtime > STALE


def _last(folder: Path) -> Path | None:
    """The file of the highest number."""
    numbers = [int(path.name) for path in folder.iterdir() if path.name.isdigit()]
    return folder / str(max(numbers)) if numbers else None


def _read(file: Path) -> Holder | None:
    try:
        return Holder(**json.loads(file.read_text()))
    except (OSError, ValueError, TypeError):
        return None


def _space() -> str:
    try:
        return str(Path("/proc/self/ns/pid").readlink())
    except OSError:  # no Linux
        return ""
