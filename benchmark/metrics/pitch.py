"""Pitch metrics on F0 tracks of one fixed extractor.

The extractor alone moves an F0 correlation by more than most codecs differ, so it is named in the
definition of every number made here.
"""

import warnings
from typing import Any

import numpy as np

from benchmark.types import SAMPLE_RATE

with warnings.catch_warnings():
    warnings.filterwarnings("ignore", message="pkg_resources", category=UserWarning)
    import pyworld

F0_FLOOR = 60.0
F0_CEILING = 500.0
FRAME_PERIOD = 10.0
"""Milliseconds between frames."""
GROSS_ERROR = 0.2
"""A voiced frame is grossly wrong when its F0 is off by more than this share of the reference's."""
MIN_VOICED_FRAMES = 10
"""Frames voiced in both, 0.1 s, below which a correlation says nothing."""
EXTRACTOR: dict[str, Any] = {
    "name": "pyworld DIO+StoneMask",
    "version": 1,
    "f0_floor": F0_FLOOR,
    "f0_ceiling": F0_CEILING,
    "frame_period": FRAME_PERIOD,
}
"""Everything a track depends on but the audio."""


def f0_track(wav: np.ndarray) -> np.ndarray:
    """F0 by DIO, refined by StoneMask (Morise et al. 2009, 2016).

    Args:
        wav: Float (T,) at 16 kHz.

    Returns:
        Hz, float64 (T // 160 + 1,), one value every 10 ms; 0 where unvoiced.

    Raises:
        ValueError: a sample is not finite, which WORLD would take for silence.
    """
    if not np.isfinite(wav).all():
        raise ValueError("NaN or infinite samples")
    samples = np.ascontiguousarray(wav, dtype=np.float64)
    f0, times = pyworld.dio(
        samples, SAMPLE_RATE, f0_floor=F0_FLOOR, f0_ceil=F0_CEILING, frame_period=FRAME_PERIOD
    )
    return pyworld.stonemask(samples, f0, times, SAMPLE_RATE)


def gross_pitch_error(reference: np.ndarray, degraded: np.ndarray) -> float:
    """Share in percent of the frames voiced in both whose F0 is off by more than 20 %.

    The tracks are in Hz, cut to the shorter; NaN where no frame is voiced in both.
    """
    expected, found = _both_voiced(reference, degraded)
    if not len(expected):
        return float("nan")
    return 100.0 * float((np.abs(found - expected) > GROSS_ERROR * expected).mean())


def voicing_decision_error(reference: np.ndarray, degraded: np.ndarray) -> float:
    """Share in percent of all frames that are voiced in one track and unvoiced in the other.

    The tracks are in Hz, cut to the shorter; NaN where they hold no frame.
    """
    frames = min(len(reference), len(degraded))
    if not frames:
        return float("nan")
    return 100.0 * float(((reference[:frames] > 0) != (degraded[:frames] > 0)).mean())


def pitch_correlation(reference: np.ndarray, degraded: np.ndarray) -> float:
    """Pearson correlation of F0 in Hz over the frames voiced in both tracks, cut to the shorter.

    NaN for fewer than `MIN_VOICED_FRAMES` such frames, or where a track is constant on them.
    """
    expected, found = _both_voiced(reference, degraded)
    if len(expected) < MIN_VOICED_FRAMES or not np.ptp(expected) or not np.ptp(found):
        return float("nan")
    return float(np.corrcoef(expected, found)[0, 1])


def _both_voiced(reference: np.ndarray, degraded: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    frames = min(len(reference), len(degraded))
    expected, found = (np.asarray(track[:frames], dtype=np.float64) for track in (reference, degraded))
    voiced = (expected > 0) & (found > 0)
    return expected[voiced], found[voiced]
