"""Test signals for F0 trackers, and the comparison of two trackers."""

from collections.abc import Callable

import numpy as np

RATE = 16_000
SIXTEEN_BITS = 32767
Track = Callable[[np.ndarray], np.ndarray]
"""Function from float64 samples (T,) to F0 by frame, 0 where unvoiced."""


def assert_same_track(samples: np.ndarray, ours: Track, theirs: Track, rtol: float) -> np.ndarray:
    """Return the F0 of `ours`, after checking that `theirs` and voicing are equal and samples unchanged."""
    samples = np.ascontiguousarray(samples, dtype=np.float64)
    before = samples.copy()
    expected, found = theirs(samples), ours(samples)
    np.testing.assert_array_equal(samples, before)
    np.testing.assert_array_equal(found > 0, expected > 0)
    np.testing.assert_allclose(found, expected, rtol=rtol, atol=0)
    return found


class Signals:
    """Test signals of one length."""

    def __init__(self, length: int) -> None:
        self.length = length
        self.time = np.arange(length) / RATE

    def voice(self, f0: np.ndarray | float) -> np.ndarray:
        """Return twenty harmonics of an F0, given in Hz at each sample."""
        phase = 2 * np.pi * np.cumsum(np.broadcast_to(f0, self.time.shape)) / RATE
        return np.sum([np.sin(k * phase) / k for k in range(1, 21)], axis=0)

    def clicks(self, *places: int) -> np.ndarray:
        """Return ones in silence."""
        samples = np.zeros(self.length)
        samples[list(places)] = 1
        return samples

    def fading(self, rate: float) -> np.ndarray:
        """Return a voice that restarts three times a second and decays in between by e^rate."""
        return self.voice(140.1) * np.exp(-rate * (3 * self.time % 1))

    def named(self) -> dict[str, np.ndarray]:
        """Return the signals for all trackers by name."""
        time, voice = self.time, self.voice
        return {
            "a sine": np.sin(2 * np.pi * 123.4 * time),
            "a square": np.sign(np.sin(2 * np.pi * 123.4 * time)),
            "a rising sine": np.sin(2 * np.pi * (60 + 200 * time) * time),
            "vibrato": voice(150 + 30 * np.sin(2 * np.pi * 3 * time)),
            "two voices": voice(110.3) + voice(171.7),
            "a voice that comes and goes": voice(140.1) * (np.sin(2 * np.pi * 3 * time) > 0),
            "a voice that fades": self.fading(12),
            "a voice in noise": voice(210.7) + np.random.default_rng(0).standard_normal(self.length),
            "a voice beside a constant": voice(210.7) + 50,
            "a faint voice": np.round(3 * voice(210.7)) / SIXTEEN_BITS,
            "noise": np.random.default_rng(1).standard_normal(self.length),
            "a click": self.clicks(self.length // 2),
            "clicks": self.clicks(*range(0, self.length, 137)),
            "a click at the beginning": self.clicks(0),
            "a click at the end": self.clicks(self.length - 1),
            "the highest frequency": (-1.0) ** np.arange(self.length),
            "half of that": np.cos(np.pi / 2 * np.arange(self.length)),
            "silence": np.zeros(self.length),
            "a constant": np.full(self.length, 0.3),
        }
