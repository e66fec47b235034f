"""The phones of one utterance, in time."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

SILENCE = "sil"


@dataclass(frozen=True)
class Phones:
    """Phone i spans `ends[i - 1]` to `ends[i]`; the first starts at 0, and silences are phones as well."""

    labels: tuple[str, ...]
    ends: np.ndarray
    """Seconds, ascending, (len(labels),)."""

    def at(self, times: np.ndarray) -> list[str]:
        """The phone at each time in seconds, (T,); `SILENCE` beyond the end."""
        labels = [*self.labels, SILENCE]
        return [labels[index] for index in np.searchsorted(self.ends, times, side="right")]


def joined(labels: Sequence[str], ends: np.ndarray) -> Phones:
    """Phones from spans that may be empty, and may hold several silences in a row."""
    kept: list[tuple[str, float]] = []
    for label, end in zip(labels, ends.tolist(), strict=True):
        if end <= (kept[-1][1] if kept else 0.0):
            continue
        if kept and label == kept[-1][0] == SILENCE:
            kept.pop()
        kept.append((label, end))
    return Phones(tuple(label for label, _ in kept), np.array([end for _, end in kept]))
