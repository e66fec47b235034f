"""F0 extractors, which estimate the pitch of speech every few milliseconds.

`docs/measurements/pitch.md` compares them.
"""

import warnings
from abc import abstractmethod
from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar

import numpy as np
from scipy.signal import firwin, lfilter

from benchmark.extractors.base import SignalExtractor
from benchmark.extractors.f0.autocorrelation import autocorrelation
from benchmark.extractors.f0.world.dio import dio
from benchmark.extractors.f0.world.harvest import harvest
from benchmark.types import SAMPLE_RATE

with warnings.catch_warnings():
    warnings.filterwarnings("ignore", message="pkg_resources", category=UserWarning)
    import pyworld

LOW_CUT_TAPS = 255


@dataclass(frozen=True, kw_only=True)
class Pitched(SignalExtractor):
    """Base class of extractors with F0 in Hz in the first column of their values, 0 where unvoiced."""

    kind: ClassVar[str] = "pitch"

    @property
    @abstractmethod
    def words(self) -> str:
        """Description of the extractor for definitions."""


@dataclass(frozen=True, kw_only=True)
class F0(Pitched):
    """Base class of extractors of F0 alone, (frames, 1).

    Attributes:
        floor: Lowest F0 in Hz.
        ceiling: Highest F0 in Hz.
        frame_period: Milliseconds between frames.
        low_cut: Cutoff in Hz of a high-pass filter that is applied first; 0 for no filter.
    """

    name: ClassVar[str]

    floor: float = 60.0
    ceiling: float = 500.0
    frame_period: float = 10.0
    low_cut: float = 0.0

    @property
    def words(self) -> str:
        """Description of the extractor for definitions."""
        after = f" after a {self.low_cut:g} Hz low cut" if self.low_cut else ""
        return f"{self.name}, {self.floor:g}–{self.ceiling:g} Hz, {self.frame_period:g} ms{after}"

    def extract(self, wav: np.ndarray) -> np.ndarray:
        """See `SignalExtractor.extract`."""
        return self.track(self.prepare(wav))[:, None]

    def prepare(self, wav: np.ndarray) -> np.ndarray:
        """Return the samples in the form that `track` takes, float64 (T,).

        Raises:
            ValueError: the clip is empty, or holds samples that are not finite, which WORLD would treat as
                silence.
        """
        samples = checked(wav)
        return lfilter(_design_low_cut(self.low_cut), 1, samples) if self.low_cut else samples

    @abstractmethod
    def track(self, samples: np.ndarray) -> np.ndarray:
        """Return the F0 in Hz (frames,) of prepared samples, 0 where unvoiced."""


def checked(wav: np.ndarray) -> np.ndarray:
    """Return the clip as a contiguous float64 array.

    Raises:
        ValueError: the clip is empty or holds samples that are not finite.
    """
    if not len(wav):
        raise ValueError("empty clip")
    if not np.isfinite(wav).all():
        raise ValueError("NaN or infinite samples")
    return np.ascontiguousarray(wav, dtype=np.float64)


@lru_cache
def _design_low_cut(cutoff: float) -> np.ndarray:
    """Build a linear-phase high-pass filter; original and decoded speech are delayed equally."""
    return firwin(LOW_CUT_TAPS, cutoff / (SAMPLE_RATE / 2), pass_zero=False)


@dataclass(frozen=True, kw_only=True)
class Autocorrelation(F0):
    """The autocorrelation method of Boersma (1993), implemented in `benchmark.extractors.f0.autocorrelation`.

    It is Praat's method. Praat itself is GPL, and an extra.
    """

    name: ClassVar[str] = "autocorrelation (Boersma 1993, own implementation)"

    def track(self, samples: np.ndarray) -> np.ndarray:
        """See `F0.track`."""
        return autocorrelation(samples, self.floor, self.ceiling, self.frame_period)


@dataclass(frozen=True, kw_only=True)
class Dio(F0):
    """DIO, refined by StoneMask (Morise et al. 2009, 2016).

    DIO is implemented in `benchmark.extractors.f0.world`, because pyworld's takes four times as long.
    """

    name: ClassVar[str] = "DIO (own implementation, equal to pyworld 0.3.5)+StoneMask (pyworld)"

    def track(self, samples: np.ndarray) -> np.ndarray:
        """See `F0.track`."""
        f0 = dio(samples, self.floor, self.ceiling, self.frame_period)
        times = np.arange(len(f0)) * self.frame_period / 1000
        return pyworld.stonemask(samples, f0, times, SAMPLE_RATE)


@dataclass(frozen=True, kw_only=True)
class Harvest(F0):
    """Harvest (Morise 2017), implemented in `benchmark.extractors.f0.world`.

    pyworld's implementation takes five times as long.
    """

    name: ClassVar[str] = "Harvest (own implementation, equal to pyworld 0.3.5)"

    def track(self, samples: np.ndarray) -> np.ndarray:
        """See `F0.track`."""
        return harvest(samples, self.floor, self.ceiling, self.frame_period)


@dataclass(frozen=True, kw_only=True)
class Pyin(F0):
    """Probabilistic YIN (Mauch and Dixon 2014) in librosa's implementation.

    Attributes:
        frame_length: Samples of a frame; the window is half as long.
    """

    name: ClassVar[str] = "librosa pYIN"

    frame_length: int = 1024

    @property
    def words(self) -> str:
        """Description of the extractor for definitions."""
        return f"{super().words}, frames of {self.frame_length}"

    def track(self, samples: np.ndarray) -> np.ndarray:
        """See `F0.track`.

        Raises:
            ValueError: the clip is shorter than a frame.
        """
        import librosa  # imported here, because the import is slow and only pYIN needs librosa

        if len(samples) < self.frame_length:
            raise ValueError(f"shorter than a frame of {self.frame_length} samples")
        f0, voiced, _ = librosa.pyin(
            samples,
            fmin=self.floor,
            fmax=self.ceiling,
            sr=SAMPLE_RATE,
            frame_length=self.frame_length,
            hop_length=round(self.frame_period * SAMPLE_RATE / 1000),
            pad_mode="constant",
        )
        return np.where(voiced, f0, 0.0)
