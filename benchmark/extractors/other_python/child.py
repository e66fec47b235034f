"""A child process that leads a group of its own, and that ends together with all that it started."""

import os
import signal
import subprocess
import time
from contextlib import suppress
from threading import Lock
from typing import IO, Any

LOOK = 0.02
"""Seconds between looks at a child that is to end by itself."""


class Child:
    """A process with pipes to its standard streams, and the group of processes that it leads.

    The process is reaped only after its group has been killed. Until then no other process or group can be
    given its number.
    """

    def __init__(self, command: list[str]) -> None:
        """Start the process.

        Raises:
            OSError: the command cannot be started.
        """
        self._lock = Lock()
        self._process: subprocess.Popen[bytes] = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,  # Ctrl-C is for the parent, and `kill` reaches grandchildren
        )
        self.pid = self._process.pid

    @property
    def pipes(self) -> tuple[IO[bytes], IO[bytes], IO[bytes]]:
        """Pipes to the standard input, and from the standard output and standard error."""
        child: Any = self._process
        return child.stdin, child.stdout, child.stderr

    def kill(self) -> int:
        """Kill the group at once, also if the process has ended before; return the process's exit code.

        The exit code is that of `subprocess`: negative for the number of a signal.
        """
        with self._lock:
            if self._process.returncode is None:
                os.killpg(self.pid, signal.SIGKILL)
                self._process.wait()
            return self._process.returncode

    def end(self, patience: float) -> int:
        """Give the process some seconds to end by itself, then kill what is left of its group.

        Returns:
            The exit code; see `kill`.
        """
        deadline = time.monotonic() + patience
        while self._is_running() and time.monotonic() < deadline:
            time.sleep(LOOK)
        return self.kill()

    def close(self, patience: float) -> None:
        """Close standard input and output, which tells the process to end, and `end` the process."""
        for pipe in self.pipes[:2]:
            with suppress(OSError):  # unsent bytes for a dead process
                pipe.close()
        self.end(patience)

    def _is_running(self) -> bool:
        with self._lock:
            if self._process.returncode is not None:
                return False
            # WNOWAIT leaves a process that has ended unreaped.
            return os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None
