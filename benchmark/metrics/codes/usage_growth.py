"""How the use of codebooks grows with the amount of speech."""

import numpy as np

from benchmark.metrics.codes.codebook_usage import CodebookUsage

FIRST_HOURS = 15 / 3600
"""Where the curve starts; from there the amount doubles from point to point."""


class UsageGrowth:
    """Looks at a `CodebookUsage` while it is filled."""

    def __init__(self, usage: CodebookUsage, frame_rate: float) -> None:
        """Watch `usage`, whose frames come `frame_rate` times a second."""
        self._usage = usage
        self._frames_per_hour = 3600 * frame_rate
        self._next = FIRST_HOURS
        self.curve: dict[str, list[float]] = {"hours": [], "used": [], "perplexity": []}
        """Used share of the entries and perplexity, means over codebooks, at each amount of speech."""

    def look(self, last: bool = False) -> None:
        """Note a point where one is due, and at the end of the speech; to be called after each utterance."""
        hours = self._usage.frames / self._frames_per_hour
        if hours < self._next and not (last and hours > sum(self.curve["hours"][-1:])):
            return
        while self._next <= hours:
            self._next *= 2
        for name, value in (
            ("hours", hours),
            ("used", np.mean(self._usage.used_fraction)),
            ("perplexity", np.mean(self._usage.perplexity)),
        ):
            self.curve[name].append(float(value))
