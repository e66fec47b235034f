"""The autocorrelation method of Boersma (1993) in array operations, which Praat calls "To Pitch (ac)".

Accurate short-term analysis of the fundamental frequency and the harmonics-to-noise ratio of a sampled sound,
Proceedings of the Institute of Phonetic Sciences 17. A frame's autocorrelation is divided by that of its
window, which would favour short lags otherwise. Its highest peaks are the frame's candidates, beside the
candidate "unvoiced". The pitch is the path through the frames' candidates with the highest sum of strengths
less costs of jumps.
"""

from functools import lru_cache

import numpy as np
from scipy.fft import irfft, next_fast_len, rfft

from benchmark.types import SAMPLE_RATE

PERIODS = 3
"""Periods of the lowest pitch in a window."""
FINER = 4
"""Factor by which the autocorrelation is interpolated before its peaks are sought."""
MOST = 15
"""Candidates of a frame, the unvoiced one included."""
SILENCE, VOICING = 0.03, 0.45
"""Amplitude, as a share of the clip's largest, and strength below which a frame tends to be unvoiced."""
OCTAVE_COST, JUMP_COST, VOICING_COST = 0.01, 0.35, 0.14
"""Cost of each octave below the ceiling, of each octave between two frames, and of a change of voicing, for
frames 10 ms apart."""
AT_ONCE = 512
"""Frames that are transformed at a time, 5 s at 10 ms."""


def autocorrelation(samples: np.ndarray, floor: float, ceiling: float, frame_period: float) -> np.ndarray:
    """Return F0 in Hz (frames,), 0 where unvoiced; frame t is centred on t · `frame_period`.

    Args:
        samples: float64 (T,) at 16 kHz, at least one.
        floor: Lowest F0 in Hz.
        ceiling: Highest F0 in Hz.
        frame_period: Milliseconds between frames.
    """
    window = _window(floor)
    half, period = len(window) // 2, int(SAMPLE_RATE / floor)
    loudest = np.abs(samples - samples.mean()).max()
    count = int(1000 * len(samples) / SAMPLE_RATE / frame_period) + 1
    if not loudest:
        return np.zeros(count)
    centres = np.round(np.arange(count) * frame_period * SAMPLE_RATE / 1000).astype(int)
    padded = np.pad(samples, half)
    f0, strengths = np.zeros((count, MOST)), np.full((count, MOST), -np.inf)
    for start in range(0, count, AT_ONCE):
        chosen = slice(start, start + AT_ONCE)
        raw = np.lib.stride_tricks.sliding_window_view(padded, len(window))[centres[chosen]]
        frames = (raw - raw[:, half - period : half + period].mean(axis=1, keepdims=True)) * window
        f0[chosen, 1:], strengths[chosen, 1:] = _candidates(frames, floor, ceiling)
        peaks = np.abs(frames[:, half - period // 2 : half + period // 2]).max(axis=1)
        strengths[chosen, 0] = VOICING + np.maximum(0, 2 - peaks / loudest * (1 + VOICING) / SILENCE)
    return _best_path(f0, strengths, frame_period)


def _candidates(frames: np.ndarray, floor: float, ceiling: float) -> tuple[np.ndarray, np.ndarray]:
    """Return F0 in Hz and strength of each frame's best voiced candidates, (frames, MOST - 1) each.

    Missing candidates have 0 Hz and a strength of minus infinity.
    """
    window = _window(floor)
    size = next_fast_len(len(window) + len(window) // 2, real=True)
    power = np.square(np.abs(rfft(frames, size, axis=1)))
    lags = np.arange(FINER * SAMPLE_RATE // int(ceiling) - 1, int(FINER * SAMPLE_RATE / floor) + 3)
    raw = irfft(power, FINER * size, axis=1)
    energy = np.maximum(raw[:, :1], np.finfo(float).tiny)
    normal = raw[:, lags] / energy / _window_autocorrelation(floor, size)[lags]
    before, peak, after = normal[:, :-2], normal[:, 1:-1], normal[:, 2:]
    curve = np.maximum(2 * peak - before - after, np.finfo(float).tiny)
    slope = (after - before) / 2
    pitch = FINER * SAMPLE_RATE / (lags[1:-1] + slope / curve)
    height = peak + np.square(slope) / (2 * curve)
    height = np.where(height > 1, 1 / np.maximum(height, 1), height)
    found = (peak > before) & (peak >= after) & (peak > VOICING / 2) & (pitch >= floor) & (pitch <= ceiling)
    octaves = np.log2(ceiling / np.where(found, pitch, ceiling))
    strength = np.where(found, height - OCTAVE_COST * octaves, -np.inf)
    best = np.argpartition(-strength, MOST - 2, axis=1)[:, : MOST - 1]
    strength = np.take_along_axis(strength, best, axis=1)
    return np.where(np.isfinite(strength), np.take_along_axis(pitch, best, axis=1), 0), strength


def _best_path(f0: np.ndarray, strengths: np.ndarray, frame_period: float) -> np.ndarray:
    """Return the F0 (frames,) of the path with the highest sum of strengths less costs."""
    per_frame = 10 / frame_period
    voiced = f0 > 0
    octaves = np.log2(np.where(voiced, f0, 1))
    total, origins = strengths[0], []
    for now in range(1, len(f0)):
        jump = JUMP_COST * np.abs(octaves[now - 1][:, None] - octaves[now])
        both, either = (op(voiced[now - 1][:, None], voiced[now]) for op in (np.logical_and, np.not_equal))
        reached = total[:, None] - per_frame * np.where(both, jump, VOICING_COST * either)
        origins.append(reached.argmax(axis=0))
        total = reached.max(axis=0) + strengths[now]
    path = [int(total.argmax())]
    for origin in reversed(origins):
        path.append(int(origin[path[-1]]))
    return f0[np.arange(len(f0)), path[::-1]]


@lru_cache
def _window(floor: float) -> np.ndarray:
    """Return a Hann window of an even number of samples, without its zeros."""
    half = int(PERIODS * SAMPLE_RATE / floor / 2)
    return np.hanning(2 * half + 2)[1:-1]


@lru_cache
def _window_autocorrelation(floor: float, size: int) -> np.ndarray:
    """Return the interpolated autocorrelation of the window, 1 at lag 0."""
    found = irfft(np.square(np.abs(rfft(_window(floor), size))), FINER * size)
    return found / found[0]
