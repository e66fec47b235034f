"""Loops that take turns, each in a process of its own, so that other load of the machine affects all of them.

The parent asks a `Worker` for a few steps at a time. In the worker's process, a `Stopwatch` waits for the
order, measures each step and answers with one marked line of JSON.
"""

import json
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import torch

from benchmark.storage.atomic_files import write_atomic
from benchmark.training import machine

MARK = "@@"


class Stopwatch:
    """Timer in a worker's process: runs steps when the parent asks for them, and reports their times."""

    def __init__(self, device: str) -> None:
        self.device = device
        self.left = 0
        self.libraries = peak_memory("cpu")
        self.seconds: list[tuple[float, float]] = []

    def start(self) -> bool:
        """Wait for an order if necessary, then start timing a step; return False if there are no more steps.

        Reports the measured steps before waiting.
        """
        if not self.left:
            if self.seconds:
                self._tell(seconds=self.seconds)
            line = sys.stdin.readline()
            self.left, self.seconds = int(line or 0), []
            if not self.left:
                return False
        self._begin = self._now()
        return True

    def stop(self) -> None:
        """Stop timing a step and record its wall and CPU seconds."""
        wall, cpu = self._now()
        self.seconds.append((wall - self._begin[0], cpu - self._begin[1]))
        self.left -= 1

    def finish(self, **facts: Any) -> None:
        """Report the peak memory in GiB, and any other facts, at the end."""
        peak = peak_memory(self.device)
        self._tell(peak=peak - (self.libraries if self.device == "cpu" else 0), total=peak, **facts)

    def _now(self) -> tuple[float, float]:
        if self.device != "cpu":
            torch.cuda.synchronize()
        return time.perf_counter(), time.process_time()

    def _tell(self, **facts: Any) -> None:
        print(MARK + json.dumps(facts), flush=True)


def peak_memory(device: str) -> float:
    """Return the peak memory so far in GiB: of this process, or allocated on the GPU."""
    if device != "cpu":
        return torch.cuda.max_memory_allocated() / 2**30
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


class Worker:
    """A loop in another process, `python -m module arguments`, as the parent sees it."""

    def __init__(self, name: str, module: str, arguments: list[str]) -> None:
        self.name = name
        self.process = subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.seconds: list[tuple[float, float]] = []

    def take_turn(self, steps: int, counts: bool) -> None:
        """Run steps; `counts` is False for steps of the warm-up."""
        seconds = self._ask(f"{steps}\n")["seconds"]
        self.seconds += seconds if counts else []

    def finish(self) -> dict[str, Any]:
        """End the loop and return the facts that it reports."""
        return self._ask("0\n")

    def _ask(self, order: str) -> dict[str, Any]:
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.write(order)
        self.process.stdin.flush()
        for line in self.process.stdout:
            if line.startswith(MARK):
                return json.loads(line.removeprefix(MARK))
        raise SystemExit(f"the loop of {self.name} ended early")


def publish(page: str, out: Path | None) -> None:
    """Print a page, and write it to `out` unless that is None."""
    print(page)
    if out is not None:
        write_atomic(out, page)


def processor(device: str) -> str:
    """Return the name of the processor or GPU."""
    return machine.processor() if device == "cpu" else torch.cuda.get_device_name()
