"""Progress of a sweep: a small file per job, one line about all jobs, and a summary with the failures.

Jobs may run in other processes and on other machines that see the folder of the sweep, so that they share
only files. This module imports no library of a model, because every process of a sweep imports it first.
"""

import json
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from threading import Event, Thread
from typing import Literal, TextIO

from benchmark.storage.atomic_files import write_atomic

State = Literal["running", "done", "failed"]
CLEAR = "\r\x1b[K"
"""Control sequence that returns to the start of a terminal's line and clears the line."""
POLL = 1.0
"""Seconds between two reads of the folder."""
NEARLY = 0.95
"""Upper limit on the completed share assumed for a job that is still running."""


@dataclass(frozen=True)
class Failure:
    """Return value of a job that failed, instead of an exception, so that the other jobs go on."""

    reason: str


@dataclass(frozen=True, kw_only=True)
class JobFile:
    """State of a job that has started, kept in a file.

    Attributes:
        number: Index of the job in the sweep, from 0.
        label: Name of the job in printed lines.
        log: Path of its log.
        begin: Time of its start, in seconds since 1970.
        end: Time of its end, in seconds since 1970; 0 while it runs.
        reason: Reason of a failure, or "".
    """

    number: int
    label: str
    log: str
    begin: float
    state: State = "running"
    end: float = 0.0
    reason: str = ""

    @property
    def file(self) -> str:
        """Name of the file in the folder of the sweep."""
        return f"{self.number}.json"

    def write(self, folder: Path) -> None:
        """Write the file, replacing an earlier file of the same job."""
        write_atomic(folder / self.file, json.dumps(asdict(self)))


def read(folder: Path) -> list[JobFile]:
    """Return the files of a sweep in the order of their numbers; files that cannot be read are left out."""
    found = []
    for path in folder.glob("*.json"):
        with suppress(OSError, ValueError, TypeError):  # a file of another machine may be visible in part
            found.append(JobFile(**json.loads(path.read_text(encoding="utf-8"))))
    return sorted(found, key=lambda file: file.number)


@dataclass(frozen=True, kw_only=True)
class Expected:
    """Work of a sweep as expected when it began.

    Attributes:
        jobs: Number of jobs; 0 if it is not known.
        done: Numbers of the jobs that already had their rows.
        seconds: Expected work of every other job in seconds, by number; the measured pace corrects it.
    """

    jobs: int = 0
    done: frozenset[int] = frozenset()
    seconds: Mapping[int, float] = field(default_factory=dict)

    def left(self, files: list[JobFile], now: float) -> float | None:
        """Estimate the seconds until the sweep ends, at the pace so far; None if there is no basis for it.

        The pace is the expected work divided by the time taken, over the jobs that have ended; it is 1 before
        the first has ended. The estimate assumes that as many jobs run side by side as do now.
        """
        ended = [f for f in files if f.state != "running" and f.number in self.seconds]
        running = {f.number: now - f.begin for f in files if f.state == "running"}
        if not self.seconds or not running:
            return None
        taken = sum(f.end - f.begin for f in ended)
        pace = sum(self.seconds[f.number] for f in ended) / taken if taken > 1 else 1.0
        pace = pace or 1.0
        gone = {f.number for f in ended}
        to_do = 0.0
        for number, work in self.seconds.items():
            if number not in gone:
                to_do += work - min(NEARLY * work, running.get(number, 0.0) * pace)
        return to_do / pace / len(running)


def line(files: list[JobFile], expected: Expected, now: float) -> str:
    """Format the progress line: "sweep: 12 of 30 done, 2 running, 16 left, 0 failed, about 7 min left"."""
    counts = {state: sum(f.state == state for f in files) for state in ("running", "done", "failed")}
    of = f" of {expected.jobs}" if expected.jobs else ""
    parts = [f"{counts['done']}{of} done", f"{counts['running']} running"]
    if expected.jobs:
        parts.append(f"{max(0, expected.jobs - len(files))} left")
    parts.append(f"{counts['failed']} failed")
    left = expected.left(files, now)
    if left is not None:
        parts.append(f"about {duration(left)} left")
    return "sweep: " + ", ".join(parts)


def duration(seconds: float) -> str:
    """Format a time: "40 s", "7 min", "3.5 h", "2.1 days"."""
    for size, unit, digits in ((86400, "days", 1), (3600, "h", 1), (60, "min", 0)):
        if seconds >= 1.5 * size:
            return f"{seconds / size:.{digits}f} {unit}"
    return f"{seconds:.0f} s"


def closing(files: list[JobFile], expected: Expected) -> str:
    """Format the summary of a sweep: counts by outcome, and for each failed job its reason and log."""
    by_state = {state: [f for f in files if f.state == state] for state in ("done", "failed", "running")}
    total = expected.jobs or len(files)
    before = len(expected.done & {f.number for f in by_state["done"]})
    counts = [f"{len(by_state['done'])} done" + (f" ({before} of them before)" if before else "")]
    counts.append(f"{len(by_state['failed'])} failed")
    if by_state["running"]:
        counts.append(f"{len(by_state['running'])} cut off")
    if total > len(files):
        counts.append(f"{total - len(files)} not started")
    lines = [f"sweep: {total} job{'s' if total != 1 else ''}: {', '.join(counts)}"]
    for file in by_state["failed"]:
        lines += [f"failed: {file.label}: {' '.join(file.reason.split())}", f"        log: {file.log}"]
    for file in by_state["running"]:
        lines += [f"cut off: {file.label}", f"        log: {file.log}"]
    if len(by_state["done"]) < total:
        lines.append("What is done is kept; the same command runs the rest.")
    return "\n".join(lines)


class ProgressBoard:
    """Displays progress while jobs run: one line that is rewritten, or a new line after each job."""

    def __init__(
        self, folder: Path, expected: Expected, rewrites: bool, stream: TextIO | None = None
    ) -> None:
        self.folder, self.expected, self.rewrites = folder, expected, rewrites
        self._stream = stream or sys.stderr
        self._stop = Event()
        self._ended = 0
        self._thread = Thread(target=self._watch, daemon=True, name="overview")
        self._thread.start()

    def close(self) -> list[JobFile]:
        """Stop the display, clear its line, and return the files as they are at the end."""
        self._stop.set()
        self._thread.join()
        if self.rewrites:
            self._say(CLEAR)
        return read(self.folder)

    def _watch(self) -> None:
        while not self._stop.wait(POLL):
            files = read(self.folder)
            ended = sum(file.state != "running" for file in files)
            text = line(files, self.expected, time.time())
            if self.rewrites and files:
                self._say(f"{CLEAR}{text}\r")  # the next output overwrites it
            elif not self.rewrites and ended > self._ended:
                self._say(text + "\n")
            self._ended = ended

    def _say(self, text: str) -> None:
        with suppress(OSError, ValueError):  # a closed terminal must not end a sweep
            self._stream.write(text)
            self._stream.flush()
