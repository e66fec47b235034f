"""Curve of codebook usage over the amount of speech."""

import numpy as np

from benchmark.metrics.codes.codebook_usage import CodebookUsage

FIRST_HOURS = 15 / 3600
"""Hours of speech at the curve's first point; the amount doubles from point to point."""


class UsageGrowth:
    """Observer that samples a `CodebookUsage` while utterances are counted."""

    def __init__(self, usage: CodebookUsage, frame_rate: float) -> None:
        """Observe `usage`, whose frames come at `frame_rate` Hz."""
        self._usage = usage
        self._frames_per_hour = 3600 * frame_rate
        self._next = FIRST_HOURS
        self.curve: dict[str, list[float]] = {"hours": [], "used": [], "perplexity": []}
        """Hours of speech at each point, with used share and perplexity, both averaged over codebooks."""

    def look(self, last: bool = False) -> None:
        """Record a point if one is due, or if the speech ends (`last`); call this after each utterance."""
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
