"""Sound that varies like speech, made without a synthesizer: for checks that need any voice, not words."""

import numpy as np
from scipy.signal import butter, sosfilt

from benchmark.types import SAMPLE_RATE


def voice_like(samples: int, seed: int = 0) -> np.ndarray:
    """Make a gliding voice with moving formants, noise and pauses.

    Args:
        samples: Length at 16 kHz.
        seed: Seed of pitch, formants, noise and pauses.

    Returns: (T,) float32, at most 0.3.
    """
    rng = np.random.default_rng(seed)
    out = np.zeros(samples)
    start = 0
    while start < samples:
        size = int(rng.integers(1600, 4800))
        low, high = rng.uniform(80, 250, 2)
        pitch = np.linspace(low, high, size)
        source = np.cumsum(pitch / SAMPLE_RATE) % 1.0 - 0.5
        if rng.random() < 0.3:
            source = 0.2 * rng.normal(size=size)
        segment = 0.01 * rng.normal(size=size)
        for centre in rng.uniform((250, 800, 2000), (800, 2200, 3500)):
            band = butter(2, (0.85 * centre, 1.15 * centre), "band", fs=SAMPLE_RATE, output="sos")
            segment = segment + sosfilt(band, source)
        out[start : start + size] = (segment * np.hanning(size) * (rng.random() > 0.1))[: samples - start]
        start += size
    return (0.3 * out / max(1e-9, np.abs(out).max())).astype(np.float32)
