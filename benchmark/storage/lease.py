"""An exclusive build lock that works on shared file systems and is released when its holder dies.

The holder keeps a file `<path>.lease/<n>` and touches it every few seconds. A process takes the lease over
if the holder was on its own machine and is gone, or if the file was not touched for `STALE` seconds. It does
so by creating the file of number n + 1, which the file system lets only one process do. `flock` is not used,
because NFS and similar file systems implement it unreliably; the only requirement is that creating a hard
link fails if the name exists. Ages are differences between times of the file server, so the clocks of the
machines need not agree.
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
"""Seconds between two heartbeats of a holder."""
STALE = 120.0
"""Seconds without a heartbeat after which a holder on another machine is considered dead."""
POLL = 0.05, 2.0
"""Shortest and longest pause in seconds between two checks of a waiting process."""
PATIENT, SAY_AGAIN = 10.0, 300.0
"""Seconds of waiting before the first log message, and between further ones."""
JOB_VARIABLES = ("SLURM_JOB_ID", "RAY_JOB_ID")


@dataclass(frozen=True)
class Holder:
    """The process that holds a lease."""

    host: str
    space: str
    """PID namespace on the host; each container has its own."""
    pid: int
    job: str = ""
    """The scheduler's id of the job, such as "SLURM_JOB_ID 42"."""

    @classmethod
    def me(cls) -> "Holder":
        """Return the holder that stands for this process."""
        job = next((f"{name} {os.environ[name]}" for name in JOB_VARIABLES if os.environ.get(name)), "")
        return cls(platform.node(), _read_namespace(), os.getpid(), job)

    @property
    def is_gone(self) -> bool:
        """True if the holder is known to have ended.

        False if this process cannot see the holder, or if the holder's number is in use again. The missing
        heartbeat then shows that the holder has ended.
        """
        if (self.host, self.space) != (platform.node(), _read_namespace()):
            return False
        try:
            return psutil.Process(self.pid).status() == psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return True

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}" + (f" ({self.job})" if self.job else "")


class Lease:
    """An exclusive lock for building the artifact at `path`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: Path | None = None
        self._ended = Event()

    def acquire(self, wait: bool = True) -> bool:
        """Acquire the lease and return whether that succeeded, which is certain if `wait` is True."""
        start = time.monotonic()
        pause, say = POLL[0], start + PATIENT
        while not self._try():
            if not wait:
                return False
            if time.monotonic() > say:
                say = time.monotonic() + SAY_AGAIN
                log.info(
                    "waiting for %s, which %s is building",
                    self.path,
                    holder_of(self.path) or "another process",
                )
            time.sleep(pause)
            pause = min(2 * pause, POLL[1])
        self._ended.clear()
        Thread(target=self._beat, args=(self._file,), daemon=True, name=f"lease of {self.path.name}").start()
        return True

    def release(self) -> None:
        """Release the lease, or do nothing if it was lost."""
        self._ended.set()
        if self._file is not None:
            self._file.unlink(missing_ok=True)
            with contextlib.suppress(OSError):  # others are waiting in the folder, or have removed it
                self._file.parent.rmdir()
            self._file = None

    @property
    def is_held(self) -> bool:
        """False once another process has taken over, for example because this one was suspended too long."""
        return self._file is not None and self._file.exists()

    def _try(self) -> bool:
        """Create the file of the next number unless the holder of the last number is alive."""
        folder = _folder(self.path)
        with contextlib.suppress(FileExistsError):  # not exist_ok: the last holder may remove it meanwhile
            folder.mkdir()
        try:
            with _reserve_draft(folder) as own:
                own.write_text(json.dumps(asdict(Holder.me())))  # complete before a number becomes its name
                self._file = self._succeed(_find_last(folder), own)
        except FileNotFoundError:  # the last holder has just removed the folder
            return False
        return self._file is not None

    def _succeed(self, last: Path | None, own: Path) -> Path | None:
        """Create the file of the number after `last` and return its path.

        None means that the holder of `last` is alive or another process was faster.
        """
        if last is not None and not _is_dead(last, own.stat().st_mtime):
            return None
        mine = own.with_name(str(1 if last is None else int(last.name) + 1))
        try:
            mine.hardlink_to(own)
        except FileExistsError:
            return None
        # If `last` was read long ago, the number after it may have come and gone in the meantime.
        if _find_last(mine.parent) != mine or (last is not None and not last.exists()):
            mine.unlink(missing_ok=True)
            return None
        if last is not None:
            log.warning("%s is gone; its build of %s is taken over", _read(last) or "the holder", self.path)
            last.unlink(missing_ok=True)
        return mine

    def _beat(self, file: Path) -> None:
        while not self._ended.wait(BEAT):
            try:
                os.utime(file)  # without a time argument, the file server's own clock counts
            except FileNotFoundError:
                if not self._ended.is_set():
                    log.warning("the lease on %s was lost to another process", self.path)
                return
            except OSError as error:
                log.debug("the heartbeat of %s failed: %s", file, error)


def holder_of(path: Path) -> Holder | None:
    """Return the living holder of the lease on `path`, or None if there is none."""
    try:
        with _reserve_draft(_folder(path)) as probe:
            probe.touch()
            last = _find_last(probe.parent)
            return None if last is None or _is_dead(last, probe.stat().st_mtime) else _read(last)
    except FileNotFoundError:
        return None


def _folder(path: Path) -> Path:
    return path.with_name(f"{path.name}.lease")


@contextlib.contextmanager
def _reserve_draft(folder: Path) -> Iterator[Path]:
    """Yield a path that no other process uses, and delete the file at that path afterwards."""
    path = folder / f".{platform.node()}.{os.getpid()}.{time.time_ns()}"
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)


def _is_dead(file: Path, now: float) -> bool:
    """Return whether the holder behind a file is gone; `now` is the file server's time."""
    holder = _read(file)
    if holder is not None and holder.is_gone:
        return True
    with file.open("rb") as opened:  # opening asks the file server again; a plain stat may be cached
        return now - os.fstat(opened.fileno()).st_mtime > STALE


def _find_last(folder: Path) -> Path | None:
    """Return the file with the highest number, or None if there is none."""
    numbers = [int(path.name) for path in folder.iterdir() if path.name.isdigit()]
    return folder / str(max(numbers)) if numbers else None


def _read(file: Path) -> Holder | None:
    try:
        return Holder(**json.loads(file.read_text()))
    except (OSError, ValueError, TypeError):
        return None


def _read_namespace() -> str:
    try:
        return str(Path("/proc/self/ns/pid").readlink())
    except OSError:  # only Linux has /proc
        return ""
