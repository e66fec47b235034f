"""PESQ and STOI of decoded against original speech, sample-aligned and of equal length."""

import warnings

import numpy as np
import pesq
import pystoi

from benchmark.types import SAMPLE_RATE


def pesq_wb(reference: np.ndarray, degraded: np.ndarray) -> float:
    """Wideband PESQ (ITU-T P.862.2), MOS-LQO from about 1.0 to 4.64.

    Args:
        reference: Original speech, float (T,) at 16 kHz.
        degraded: Decoded speech, float (T,).

    Returns:
        The score; NaN where PESQ has none: no utterance found in the original, a clip under a
        quarter of a second, digital silence on either side.

    Raises:
        ValueError: the lengths differ or a sample is not finite.
    """
    if _is_undefined(reference, degraded):
        return float("nan")
    try:
        return float(pesq.pesq(SAMPLE_RATE, reference, degraded, "wb"))
    except (pesq.NoUtterancesError, pesq.BufferTooShortError):
        return float("nan")


def stoi(reference: np.ndarray, degraded: np.ndarray) -> float:
    """Short-time objective intelligibility (Taal et al. 2011), not the extended one.

    Args:
        reference: Original speech, float (T,) at 16 kHz.
        degraded: Decoded speech, float (T,).

    Returns:
        The score, at most 1; NaN for digital silence on either side and where fewer than 30 frames
        (0.4 s) remain after silent ones are removed, for which pystoi itself returns 0.00001.

    Raises:
        ValueError: the lengths differ or a sample is not finite.
    """
    if _is_undefined(reference, degraded):
        return float("nan")
    too_short = "Not enough STFT frames"
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message=too_short, category=RuntimeWarning)
        try:
            return float(pystoi.stoi(reference, degraded, SAMPLE_RATE, extended=False))
        except RuntimeWarning:
            return float("nan")


def _is_undefined(reference: np.ndarray, degraded: np.ndarray) -> bool:
    """Whether a side is empty or digital silence."""
    if reference.shape != degraded.shape:
        raise ValueError(f"reference {reference.shape} and degraded {degraded.shape} differ in length")
    if not (np.isfinite(reference).all() and np.isfinite(degraded).all()):
        raise ValueError("NaN or infinite samples")
    return not (reference.any() and degraded.any())
