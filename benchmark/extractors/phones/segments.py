"""The phones of one utterance with their times."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

SILENCE = "sil"


@dataclass(frozen=True)
class Phones:
    """Consecutive phones; phone i spans `ends[i - 1]` to `ends[i]`, the first starts at 0.

    Silences are phones as well.
    """

    labels: tuple[str, ...]
    ends: np.ndarray
    """Ends of the phones in seconds, ascending, (len(labels),)."""

    def at(self, times: np.ndarray) -> list[str]:
        """Return the phone at each time in seconds, (T,); `SILENCE` beyond the end."""
        labels = [*self.labels, SILENCE]
        return [labels[index] for index in np.searchsorted(self.ends, times, side="right")]


def join_spans(labels: Sequence[str], ends: np.ndarray) -> Phones:
    """Build phones from spans, dropping empty spans and merging consecutive silences."""
    kept: list[tuple[str, float]] = []
    for label, end in zip(labels, ends.tolist(), strict=True):
        if end <= (kept[-1][1] if kept else 0.0):
            continue
        if kept and label == kept[-1][0] == SILENCE:
            kept.pop()
        kept.append((label, end))
    return Phones(tuple(label for label, _ in kept), np.array([end for _, end in kept]))
