"""Speech with known pitch and voicing: a source with given pitch through filters taken from a recording."""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from scipy.fft import rfft
from scipy.linalg import solve_toeplitz
from scipy.signal import lfilter

from benchmark.types import SAMPLE_RATE

FRAME = 160
"""Samples between values of a contour, 10 ms."""
SHORTEST = 5
"""Frames of the shortest voiced run that a contour keeps."""
SPLIT, RANGE = 1000, 25
"""Hz that part low from high frequencies, and dB below the loudest frame within which a voice is heard."""
ORDER, WINDOW, HOP = 18, 400, 80
"""Order of the filters, and samples of their windows and between them: 25 ms and 5 ms."""
TAIL = 400
"""Samples that a filter rings on after its piece of the source."""
ASPIRATION = 0.1
"""Amplitude of the noise in the voiced source relative to its pulses, −20 dB."""
JITTER = 0.005
"""Standard deviation of the length of a period relative to the period, as in healthy voices."""


def most_voiced(votes: np.ndarray) -> np.ndarray:
    """Return for each frame whether most of several tracks, F0 (tracks, frames), are voiced there."""
    return (votes > 0).mean(axis=0) > 0.5


def hear_voice(wav: np.ndarray) -> np.ndarray:
    """Return for each frame whether it is loud below 1 kHz, and louder there than above (frames,)."""
    frames = sliding_window_view(np.pad(wav, WINDOW // 2), WINDOW)[::FRAME] * np.hanning(WINDOW)
    power = np.square(np.abs(rfft(frames, axis=1)))
    split = round(SPLIT * WINDOW / SAMPLE_RATE)
    low, high = power[:, :split].sum(axis=1), power[:, split:].sum(axis=1)
    return (low > high) & (low > low.max() * 10 ** (-RANGE / 10))


def contour(voiced: np.ndarray, votes: np.ndarray) -> np.ndarray:
    """Return F0 in Hz (frames,), 0 where unvoiced or voiced for a moment only.

    Args:
        voiced: Whether each frame is voiced, (frames,).
        votes: Several tracks, whose median over voiced values is the pitch, (tracks, frames). Where all are
            unvoiced, the pitch is interpolated.
    """
    voiced = voiced.copy()
    for start, end in np.flatnonzero(np.diff(np.pad(voiced.astype(int), 1))).reshape(-1, 2):
        voiced[start:end] = end - start >= SHORTEST
    known = np.flatnonzero(votes.any(axis=0))
    pitch = np.nanmedian(np.where(votes > 0, votes, np.nan)[:, known], axis=0)
    return np.where(voiced, np.interp(np.arange(len(voiced)), known, pitch), 0.0)


def resynthesise(wav: np.ndarray, f0: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return the recording's spectral envelope with the pitch `f0`, float32 (T,) at 16 kHz.

    Args:
        wav: The recording, float32 (T,) at 16 kHz.
        f0: Pitch in Hz every 10 ms (T // 160 + 1,), 0 where unvoiced.
        rng: Source of the noise and of the jitter.
    """
    excitation = source(f0, len(wav), rng)
    padded = np.pad(wav.astype(np.float64), WINDOW // 2)
    driven = np.pad(excitation, (HOP, WINDOW + HOP))
    made = np.zeros(len(driven) + TAIL)
    cross_fade = np.hanning(2 * HOP + 1)[:-1]
    for start in range(0, len(wav), HOP):
        coefficients, gain = predictor(padded[start : start + WINDOW])
        piece = driven[start : start + 2 * HOP] * cross_fade * gain
        made[start : start + 2 * HOP + TAIL] += lfilter([1.0], coefficients, np.pad(piece, (0, TAIL)))
    return made[HOP : HOP + len(wav)].astype(np.float32)


def source(f0: np.ndarray, length: int, rng: np.random.Generator) -> np.ndarray:
    """Return pulses where F0 is voiced and white noise elsewhere, both of unit power, (length,)."""
    frame = np.minimum(np.round(np.arange(length) / FRAME).astype(int), len(f0) - 1)
    voiced = f0[frame] > 0
    noise = rng.standard_normal(length)
    excitation = np.where(voiced, ASPIRATION * noise, noise)
    known = np.flatnonzero(f0)
    pitch = np.interp(np.arange(length) / FRAME, known, f0[known]) if len(known) else np.zeros(length)
    place = 0.0
    while (at := int(place)) + 1 < length:
        if not voiced[at]:
            place = at + 1.0
            continue
        period = SAMPLE_RATE / pitch[at]
        between = place - at
        excitation[at : at + 2] += np.sqrt(period) * np.array([1 - between, between])
        place += period * (1 + JITTER * rng.standard_normal())
    return excitation


def predictor(samples: np.ndarray) -> tuple[np.ndarray, float]:
    """Return the coefficients (19,) and the gain of the all-pole filter of some samples."""
    windowed = samples * np.hamming(len(samples))
    lags = np.correlate(windowed, windowed, "full")[len(samples) - 1 :][: ORDER + 1] / len(samples)
    lags[0] = lags[0] * (1 + 1e-6) + 1e-12
    coefficients = np.concatenate([[1.0], -solve_toeplitz(lags[:-1], lags[1:])])
    return coefficients, float(np.sqrt(max(coefficients @ lags, 0.0) / np.mean(np.hamming(WINDOW) ** 2)))


def add_noise(wav: np.ndarray, decibels: float, rng: np.random.Generator) -> np.ndarray:
    """Return the signal with white noise at a signal-to-noise ratio, float32 (T,)."""
    noise = rng.standard_normal(len(wav))
    level = np.sqrt(np.mean(np.square(wav, dtype=np.float64)) / 10 ** (decibels / 10))
    return (wav + level * noise).astype(np.float32)
