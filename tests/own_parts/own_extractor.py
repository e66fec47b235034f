"""Root mean square of every hundredth of a second."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from benchmark.extractors.base import SignalExtractor


@dataclass(frozen=True, kw_only=True)
class Loudness(SignalExtractor):
    """In decibels, `floor` where it is quieter."""

    kind: ClassVar[str] = "loudness"

    floor: float = -60.0

    def extract(self, wav: np.ndarray) -> np.ndarray:
        frames = wav[: len(wav) // 160 * 160].reshape(-1, 160).astype(np.float64)
        level = 20 * np.log10(np.sqrt((frames**2).mean(1)) + 1e-9)
        return np.maximum(level, self.floor)[:, None]
