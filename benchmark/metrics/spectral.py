"""Mel distance: how far two spectra lie apart."""

from functools import cache

import numpy as np
import torch

from benchmark.data.mel import LogMel

N_FFT = 1024
HOP_LENGTH = 256
N_MELS = 80
F_MIN = 0.0
F_MAX = 8000.0
FLOOR = 1e-5


@cache
def _log_mel() -> LogMel:
    return LogMel(N_FFT, HOP_LENGTH, N_FFT, N_MELS, F_MIN, F_MAX, FLOOR, center=True, log="ln")


def mel_distance(reference: np.ndarray, degraded: np.ndarray) -> float:
    """Mean absolute difference of the natural log-mel spectra, over bands and frames.

    Args:
        reference: Original speech, float (T,) at 16 kHz.
        degraded: Decoded speech, float (T,), sample-aligned with it.

    Returns:
        The distance in nepers of amplitude; NaN for clips shorter than one hop.

    Raises:
        ValueError: the lengths differ or a sample is not finite.
    """
    if reference.shape != degraded.shape:
        raise ValueError(f"reference {reference.shape} and degraded {degraded.shape} differ in length")
    pair = torch.from_numpy(np.stack((reference, degraded)).astype(np.float32))
    if not pair.isfinite().all():
        raise ValueError("NaN or infinite samples")
    if pair.shape[1] < HOP_LENGTH:
        return float("nan")
    with torch.no_grad():
        first, second = _log_mel()(pair)
    return float((first - second).abs().mean())
