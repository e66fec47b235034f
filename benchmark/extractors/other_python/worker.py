"""Answers of a model in another Python, whatever happens to its process."""

import logging
from collections.abc import Sequence

import numpy as np

from benchmark.data.audio import AudioError
from benchmark.errors import UserError
from benchmark.extractors.other_python.process import Answer, Mishap, ModelProcess, Program

log = logging.getLogger(__name__)

MOST_FAILURES = 5
"""Clips in a row that may fail, each alone; the program rather than the clips is then at fault."""


class Worker:
    """A model in another Python that outlives its process.

    A batch without answers is tried once more, and then clip by clip. Each trial after a mishap has a new
    process, since nobody knows the state of the old one. A clip without an answer is a failure of that clip,
    but a clip that takes too long is not, since a slow machine must not change a score.
    """

    def __init__(self, program: Program) -> None:
        """Start the program.

        Raises:
            UserError: the program cannot be started.
        """
        self.program = program
        self._process: ModelProcess | None = ModelProcess(program)
        self._failures = 0

    def __call__(self, clips: Sequence[np.ndarray]) -> list[Answer | AudioError]:
        """Return one answer per clip, or the reason why it has none.

        Args:
            clips: Arrays of one of `serve.DTYPES`; their meaning is the model's.

        Raises:
            UserError: the program cannot be started again, took too long for a clip, or failed on
                `MOST_FAILURES` clips in a row.
        """
        for _ in range(2):
            try:
                return list(self._ask(clips))
            except Mishap as error:
                log.warning("%s, a batch of %d: %s", self.program.name, len(clips), error)
                reason = error
        if len(clips) == 1:
            return [self._failure(reason)]
        return [self._alone(clip) for clip in clips]

    def close(self) -> None:
        """End the process; a later call starts another one."""
        if self._process is not None:
            self._process.end()
            self._process = None

    def _ask(self, clips: Sequence[np.ndarray]) -> list[Answer]:
        self._process = self._process or ModelProcess(self.program)
        try:
            answers = self._process.ask(clips)
        except BaseException:
            self.close()
            raise
        self._failures = 0
        return answers

    def _alone(self, clip: np.ndarray) -> Answer | AudioError:
        try:
            return self._ask([clip])[0]
        except Mishap as error:
            return self._failure(error)

    def _failure(self, error: Mishap) -> AudioError:
        program = self.program
        if error.late:
            raise UserError(
                f"{program.name} {error} for one clip: raise {program.timeout_setting}, "
                f"or find out why {program.python} hangs"
            ) from error
        self._failures += 1
        if self._failures >= MOST_FAILURES:
            raise UserError(
                f"{program.name} fails on {self._failures} clips in a row, the last time: {error}; "
                f"look at {program.python} with {program.script.name}"
            ) from error
        return AudioError(f"{program.name}: {error}")
