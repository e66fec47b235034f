"""Run one model in a process of another Python, which may print, hang or crash as it likes."""

import logging
import os
import signal
import subprocess
import weakref
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from threading import Thread, Timer
from typing import IO, Any

import numpy as np

from benchmark.errors import UserError
from benchmark.extractors.other_python import serve
from benchmark.extractors.other_python.serve import ProtocolError, read_message, write_message

log = logging.getLogger(__name__)

LINES = 20
"""Last lines of standard error that are kept for messages."""
FAREWELL = 5.0
"""Seconds for a child to end after its input has ended."""

Answer = np.ndarray | str | int | float | list[Any] | dict[str, Any] | None


class Mishap(Exception):
    """Raised when a batch has no answers, for the reason in the message.

    Attributes:
        died: True if the process has ended, False if the model raised an exception.
    """

    def __init__(self, reason: str, died: bool) -> None:
        super().__init__(reason)
        self.died = died


@dataclass(frozen=True, kw_only=True)
class Program:
    """A model and the Python that runs it.

    Attributes:
        name: Name for messages.
        python: Path of the interpreter.
        script: File whose function `load` returns the model; see `serve.Model`. It runs in the other
            environment, so it imports nothing of this package.
        settings: Arguments of `load`, JSON-able.
        timeout: Seconds for one batch.
        start_timeout: Seconds to import and load the model.
    """

    name: str
    python: str
    script: Path
    settings: dict[str, Any] = field(default_factory=dict)
    timeout: float = 600.0
    start_timeout: float = 1800.0

    def __post_init__(self) -> None:
        if not self.timeout > 0:
            raise UserError(f"{self.name}: timeout must be above 0 seconds, not {self.timeout:g}")


class ModelProcess:
    """One process of a program, which ends with this object, with this process, or by `kill`."""

    def __init__(self, program: Program) -> None:
        """Start the process and load the model.

        Raises:
            UserError: the interpreter or the model cannot be started, for the reason in the message.
        """
        self.program = program
        self._late = False
        self._said: deque[str] = deque(maxlen=LINES)
        try:
            self._child = subprocess.Popen(
                [program.python, serve.__file__],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,  # Ctrl-C is for the parent, and `kill` reaches grandchildren
            )
        except OSError as error:
            raise UserError(f"{program.python} cannot be started: {error.strerror}") from error
        self.end = weakref.finalize(self, _end, self._child)
        self._drain = Thread(target=_drain, args=(self._child.stderr, self._said), daemon=True)
        self._drain.start()
        order = {"script": str(program.script.absolute()), "settings": program.settings}
        try:
            reply, _ = self._exchange(order, (), program.start_timeout)
        except Mishap as error:
            raise UserError(f"{program.name} did not start: {error}") from error
        if "refused" in reply:
            self.end()
            raise UserError(f"{program.name} cannot be loaded by {program.python}: {reply['refused']}")
        log.debug("%s: process %d of %s is ready", program.name, self._child.pid, program.python)

    def ask(self, clips: Sequence[np.ndarray]) -> list[Answer]:
        """Return the model's answers to a batch of clips, one per clip.

        Raises:
            Mishap: the process died or was killed after `timeout` seconds, or the model raised an exception.
            UserError: the process does not keep to the protocol.
        """
        reply, arrays = self._exchange({}, clips, self.program.timeout)
        if "error" in reply:
            raise Mishap(reply["error"], died=False)
        answers: list[Answer] = reply["answers"]
        for place, array in zip(reply["places"], arrays, strict=True):
            answers[place] = array
        return answers

    def _exchange(
        self, header: dict[str, Any], arrays: Sequence[np.ndarray], seconds: float
    ) -> tuple[dict[str, Any], list[np.ndarray]]:
        assert self._child.stdin is not None and self._child.stdout is not None
        # A blocked write or read ends with the process, so one timer covers both.
        timer = Timer(seconds, self._run_out)
        timer.start()
        try:
            write_message(self._child.stdin, header, arrays)
            return read_message(self._child.stdout)
        except (EOFError, OSError) as error:
            self.kill()
            late = f"took more than {seconds:g} s" if self._late else f"died ({self._last_words()})"
            raise Mishap(late, died=True) from error
        except (ProtocolError, ValueError) as error:
            self.kill()
            raise UserError(
                f"{self.program.name}: {self.program.python} breaks the protocol: {error}; is it a Python?"
            ) from error
        except BaseException:  # a reply that nobody has read would be taken for that of the next batch
            self.kill()
            raise
        finally:
            timer.cancel()

    def _run_out(self) -> None:
        self._late = True
        self.kill()

    def kill(self) -> None:
        """End the process and all that it started, at once."""
        _kill(self._child)

    def _last_words(self) -> str:
        """Return how the process ended, and the last line that it printed."""
        code = self._child.wait()
        self._drain.join(1.0)
        how = signal.Signals(-code).name if code < 0 else f"exit status {code}"
        return ", ".join([how, *list(self._said)[-1:]])


def _drain(stream: IO[bytes], said: deque[str]) -> None:
    """Keep the last lines of a stream, so that it never fills up."""
    with stream:
        for line in stream:
            text = line.decode(errors="replace").strip()
            if text:
                said.append(text)
                log.debug("%s", text)


def _kill(child: subprocess.Popen[bytes]) -> None:
    if child.poll() is None:
        try:
            os.killpg(child.pid, signal.SIGKILL)
        except ProcessLookupError:
            child.kill()


def _end(child: subprocess.Popen[bytes]) -> None:
    """Let a child end by itself, or kill it after `FAREWELL` seconds, and close the pipes."""
    for pipe in (child.stdin, child.stdout):
        try:
            if pipe is not None:
                pipe.close()
        except OSError:  # unsent bytes for a dead process
            pass
    try:
        child.wait(FAREWELL)
    except subprocess.TimeoutExpired:
        _kill(child)
        child.wait()
