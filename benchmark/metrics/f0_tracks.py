"""Comparison of two F0 tracks of equal length, in Hz, with 0 where unvoiced."""

import numpy as np

from benchmark.metrics.base import MetricUndefined


def both_voiced(reference: np.ndarray, decoded: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return two equally long tracks on the frames that are voiced in both.

    Raises: MetricUndefined if there are no such frames.
    """
    voiced = (reference > 0) & (decoded > 0)
    if not voiced.any():
        raise MetricUndefined("no frame voiced in both")
    return reference[voiced], decoded[voiced]


def gross(reference: np.ndarray, decoded: np.ndarray, threshold: float) -> np.ndarray:
    """Return for each frame whether F0 is off by more than `threshold` of the original's."""
    return np.abs(decoded - reference) > threshold * reference


def pearson(first: np.ndarray, second: np.ndarray, min_frames: int) -> float:
    """Compute the Pearson correlation of two equally long tracks.

    Raises: MetricUndefined for fewer than `min_frames` frames, and for a constant track.
    """
    if len(first) < min_frames:
        raise MetricUndefined(f"fewer than {min_frames} frames to correlate")
    if not np.ptp(first) or not np.ptp(second):
        raise MetricUndefined("the pitch is constant")
    return float(np.corrcoef(first, second)[0, 1])
