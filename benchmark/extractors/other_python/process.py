"""Run one model in a process of another Python, which may print, hang or crash as it likes."""

import logging
import signal
import weakref
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from threading import TIMEOUT_MAX, Thread, Timer
from typing import IO, Any

import numpy as np

from benchmark.errors import UserError
from benchmark.extractors.other_python import serve
from benchmark.extractors.other_python.child import Child
from benchmark.extractors.other_python.serve import ProtocolError, read_message, write_message

log = logging.getLogger(__name__)

FAREWELL = 5.0
"""Seconds for a child to end after its input has ended."""

Answer = np.ndarray | str | int | float | list[Any] | dict[str, Any] | None


class Mishap(Exception):
    """Raised when a batch has no answers, for the reason in the message.

    Attributes:
        late: True if the process was killed because it took too long.
    """

    def __init__(self, reason: str, late: bool = False) -> None:
        super().__init__(reason)
        self.late = late


def check_timeout(setting: str, seconds: float) -> None:
    """Check a time limit.

    Args:
        setting: Name of the limit for the message, such as "asr.timeout".
        seconds: The limit.

    Raises:
        UserError: the limit is no number above 0, or more than a timer can wait.
    """
    if not isinstance(seconds, int | float) or not 0 < seconds <= TIMEOUT_MAX:
        raise UserError(f"{setting}={seconds} is no time limit; legal: seconds above 0, such as 600")


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
        timeout_setting: Setting that holds `timeout`, for messages: "asr.timeout".
        start_timeout: Seconds to import and load the model.
    """

    name: str
    python: str
    script: Path
    settings: dict[str, Any] = field(default_factory=dict)
    timeout: float = 600.0
    timeout_setting: str = "timeout"
    start_timeout: float = 1800.0

    def __post_init__(self) -> None:
        check_timeout(self.timeout_setting, self.timeout)


class ModelProcess:
    """One process of a program, which ends with this object, with this process, or by `end`."""

    def __init__(self, program: Program) -> None:
        """Start the process and load the model.

        Raises:
            UserError: the interpreter or the model cannot be started, for the reason in the message.
        """
        self.program = program
        self._late = False
        self._said: deque[str] = deque(maxlen=1)
        try:
            self._child = Child([program.python, serve.__file__])
        except OSError as error:
            raise UserError(f"{program.python} cannot be started: {error.strerror}") from error
        self.end = weakref.finalize(self, self._child.close, FAREWELL)
        self._drain = Thread(target=_drain, args=(self._child.pipes[2], self._said), daemon=True)
        self._drain.start()
        order = {"script": str(program.script.absolute()), "settings": program.settings}
        try:
            reply, _ = self._exchange(order, (), program.start_timeout)
        except Mishap as error:
            raise UserError(f"{program.name} by {program.python} did not start: {error}") from error
        if "refused" in reply:
            self.end()
            raise UserError(f"{program.name} cannot be loaded by {program.python}: {reply['refused']}")
        log.debug("%s: process %d of %s is ready", program.name, self._child.pid, program.python)

    def ask(self, clips: Sequence[np.ndarray]) -> list[Answer]:
        """Return the model's answers to a batch of clips, one per clip.

        Raises:
            Mishap: the process died, took more than `timeout` seconds or broke the protocol, or the model
                raised an exception. The process is not to be asked again.
        """
        reply, arrays = self._exchange({}, clips, self.program.timeout)
        if "error" in reply:
            raise Mishap(reply["error"])
        answers: list[Answer] = reply["answers"]
        for place, array in zip(reply["places"], arrays, strict=True):
            answers[place] = array
        return answers

    def _exchange(
        self, header: dict[str, Any], arrays: Sequence[np.ndarray], seconds: float
    ) -> tuple[dict[str, Any], list[np.ndarray]]:
        inbox, outbox, _ = self._child.pipes
        self._late = False
        # A blocked write or read ends with the process, so one timer covers both.
        timer = Timer(seconds, self._run_out)
        timer.start()
        try:
            write_message(inbox, header, arrays)
            return read_message(outbox)
        except (EOFError, OSError) as error:
            if self._late:
                raise Mishap(f"took more than {seconds:g} s", late=True) from error
            raise Mishap(f"died ({self._last_words()})") from error
        except (ProtocolError, ValueError) as error:
            self._child.kill()
            raise Mishap(f"broke the protocol: {error}") from error
        except BaseException:  # a reply that nobody has read would be taken for that of the next batch
            self._child.kill()
            raise
        finally:
            timer.cancel()
            timer.join()  # or else the timer might still kill the process during the next exchange

    def _run_out(self) -> None:
        self._late = True
        self._child.kill()

    def _last_words(self) -> str:
        """Return how the process ended, and the last line that it printed."""
        code = self._child.end(FAREWELL)
        self._drain.join(1.0)
        how = signal.Signals(-code).name if code < 0 else f"exit status {code}"
        return ", ".join([how, *self._said])


def _drain(stream: IO[bytes], said: deque[str]) -> None:
    """Keep the last line of a stream that is not empty, and read the stream so that it never fills up."""
    with stream:
        for line in stream:
            text = line.decode(errors="replace").strip()
            if text:
                said.append(text)
                log.debug("%s", text)
