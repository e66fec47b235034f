"""F0 extractors: the pitch of speech every few milliseconds."""

import warnings
from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from benchmark.metrics.extractor import SignalExtractor
from benchmark.types import SAMPLE_RATE

with warnings.catch_warnings():
    warnings.filterwarnings("ignore", message="pkg_resources", category=UserWarning)
    import pyworld


@dataclass(frozen=True, kw_only=True)
class F0(SignalExtractor):
    """Base of all: Hz, (frames, 1), 0 where unvoiced.

    Attributes:
        floor: Lowest F0 in Hz.
        ceiling: Highest F0 in Hz.
        frame_period: Milliseconds between frames.
    """

    kind: ClassVar[str] = "pitch"
    name: ClassVar[str]

    floor: float = 60.0
    ceiling: float = 500.0
    frame_period: float = 10.0

    @property
    def words(self) -> str:
        """The extractor in a definition."""
        return f"{self.name}, {self.floor:g}–{self.ceiling:g} Hz, {self.frame_period:g} ms"

    def extract(self, wav: np.ndarray) -> np.ndarray:
        """See `SignalExtractor.extract`; WORLD would take a sample that is not finite for silence."""
        if not np.isfinite(wav).all():
            raise ValueError("NaN or infinite samples")
        return self.track(np.ascontiguousarray(wav, dtype=np.float64))[:, None]

    @abstractmethod
    def track(self, samples: np.ndarray) -> np.ndarray:
        """F0 (frames,) of float64 samples (T,)."""


@dataclass(frozen=True, kw_only=True)
class Dio(F0):
    """DIO, refined by StoneMask (Morise et al. 2009, 2016)."""

    name: ClassVar[str] = "pyworld DIO+StoneMask"

    def track(self, samples: np.ndarray) -> np.ndarray:
        """See `F0.track`."""
        f0, times = pyworld.dio(
            samples,
            SAMPLE_RATE,
            f0_floor=self.floor,
            f0_ceil=self.ceiling,
            frame_period=self.frame_period,
        )
        return pyworld.stonemask(samples, f0, times, SAMPLE_RATE)
