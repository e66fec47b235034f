"""Answers of a model in another Python, whatever happens to its process."""

import logging
from collections.abc import Sequence

import numpy as np

from benchmark.data.audio import AudioError
from benchmark.errors import UserError
from benchmark.extractors.other_python.process import Answer, Mishap, ModelProcess, Program

log = logging.getLogger(__name__)

MOST_DEATHS = 5
"""Clips in a row whose processes may die, each alone; the program rather than the clips is then at fault."""


class Worker:
    """A model in another Python that outlives its process.

    A batch without answers is tried once more, by a new process if the old one died, and then clip by clip. A
    clip without an answer is a failure of that clip.
    """

    def __init__(self, program: Program) -> None:
        """Start the program.

        Raises:
            UserError: the program cannot be started.
        """
        self.program = program
        self._process: ModelProcess | None = ModelProcess(program)
        self._deaths = 0

    def __call__(self, clips: Sequence[np.ndarray]) -> list[Answer | AudioError]:
        """Return one answer per clip, or the reason why it has none.

        Args:
            clips: Arrays of one of `serve.DTYPES`; their meaning is the model's.

        Raises:
            UserError: the program cannot be started again, or died on `MOST_DEATHS` clips in a row.
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
        except Mishap as error:
            if error.died:
                self.close()
            raise
        self._deaths = 0
        return answers

    def _alone(self, clip: np.ndarray) -> Answer | AudioError:
        try:
            return self._ask([clip])[0]
        except Mishap as error:
            return self._failure(error)

    def _failure(self, error: Mishap) -> AudioError:
        self._deaths = self._deaths + 1 if error.died else 0
        if self._deaths >= MOST_DEATHS:
            raise UserError(
                f"{self.program.name} fails on {self._deaths} clips in a row, the last time it {error}; "
                f"look at {self.program.python} with {self.program.script.name}"
            ) from error
        return AudioError(f"{self.program.name}: {error}")
