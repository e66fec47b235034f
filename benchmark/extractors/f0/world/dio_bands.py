"""The first step of DIO (Morise et al. 2009): candidates of F0 from events in low-pass filtered signals."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.fft import irfft, next_fast_len, rfft

from benchmark.types import SAMPLE_RATE

BANDS_IN_OCTAVE = 2
LOW_CUT = 50
"""Frequency in Hz below which the signal is removed."""
LEAST_EVENTS = 4
WORST = 1e17
"""Score of bands without a candidate."""
TRANSFORM = 8192
"""Smallest length of the filtered pieces, short enough for the cache of a core."""


def candidates(
    samples: np.ndarray, times: np.ndarray, floor: float, ceiling: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return one candidate per band in Hz, 0 for none, and its score, lower is better: (bands, frames).

    If a filter passes only the fundamental, rising and falling zero crossings, peaks and dips occur at the
    same rate. The candidate is the mean of the four rates, and the score is their relative deviation.

    Args:
        samples: float64 (T,) at 16 kHz.
        times: Times of the frames in seconds.
        floor: Lowest F0 in Hz.
        ceiling: Highest F0 in Hz.
    """
    bands = _make_bands(floor, ceiling)
    f0, scores = np.zeros((2, len(bands.frequencies), len(times)))
    scores += WORST
    # WORLD reads one sample beyond the signal.
    signal = np.append(samples, 0.0)
    signal -= signal.mean()
    for number, (frequency, band) in enumerate(zip(bands.frequencies, _filter(signal, bands), strict=True)):
        rates = _measure_event_rates(band, times)
        if rates is None:
            continue
        mean = rates.mean(0)
        deviation = np.sqrt(np.square(rates - mean).sum(0) / 3)
        inside = (mean >= max(frequency / 2, floor)) & (mean <= min(frequency, ceiling))
        f0[number, inside] = mean[inside]
        scores[number, inside] = deviation[inside] / mean[inside]
    return f0, scores


@dataclass(frozen=True)
class Bands:
    """Filters, each a low cut and a Nuttall window of even length, with a delay of only half a sample.

    Attributes:
        frequencies: Upper limit on the F0 of each band in Hz, ascending: (bands,).
        windows: The Nuttall windows, one array per band.
        low_cut: Coefficients of the low cut, symmetric about the middle.
        reach: Samples to either side that a filtered sample depends on.
        spectra: Spectra of the filters: (bands, size / 2 + 1).
        size: Length of the transform in samples.
    """

    frequencies: np.ndarray
    windows: list[np.ndarray]
    low_cut: np.ndarray
    reach: int
    spectra: np.ndarray
    size: int


@lru_cache(maxsize=4)
def _make_bands(floor: float, ceiling: float) -> Bands:
    count = 1 + int(np.log2(ceiling / floor) * BANDS_IN_OCTAVE)
    frequencies = floor * 2 ** (np.arange(1, count + 1) / BANDS_IN_OCTAVE)
    halves = 2 * (SAMPLE_RATE / frequencies / 2 + 0.5).astype(int)
    middle = SAMPLE_RATE // LOW_CUT
    hann = np.hanning(2 * middle + 3)[1:-1]
    low_cut = -hann / hann.sum()
    low_cut[middle] += 1
    reach = middle + int(halves[0])
    size = next_fast_len(max(TRANSFORM, 8 * reach), real=True)
    size += size % 2
    windows = [_make_nuttall(2 * int(half)) for half in halves]
    kernels = np.zeros((count, size))
    for kernel, window, half in zip(kernels, windows, halves, strict=True):
        whole = np.convolve(low_cut, window)
        kernel[: len(whole)] = whole
        kernel[:] = np.roll(kernel, -middle - int(half))
    return Bands(frequencies, windows, low_cut, reach, rfft(kernels), size)


def _make_nuttall(length: int) -> np.ndarray:
    turn = 2 * np.pi * np.arange(length) / (length - 1)
    return 0.355768 - 0.487396 * np.cos(turn) + 0.144232 * np.cos(2 * turn) - 0.012604 * np.cos(3 * turn)


def _filter(signal: np.ndarray, bands: Bands) -> Iterator[np.ndarray]:
    """Yield the signal of each band (T,), filtered in overlapping pieces."""
    length, reach, size = len(signal), bands.reach, bands.size
    step = size - 2 * reach
    pieces = -(-length // step)
    padded = np.zeros((pieces - 1) * step + size)
    padded[reach : reach + length] = signal
    spectra = rfft(np.lib.stride_tricks.sliding_window_view(padded, size)[::step])
    factors, leaks = _compute_leaks(signal, bands, pieces, step)
    for spectrum, factor in zip(bands.spectra, factors, strict=True):
        out = factor @ leaks
        out += irfft(spectra * spectrum, n=size)[:, reach : reach + step]
        yield out.reshape(-1)[:length]


def _compute_leaks(signal: np.ndarray, bands: Bands, pieces: int, step: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the signals that WORLD adds to each band by overwriting two bins of its transform.

    WORLD transforms the whole signal. It sets each of the two highest bins to the product at the last bin but
    one, times the signal's spectrum at the last bin, as in Harvest. The effect is small, but grows with the
    square of the signal. In digital silence it is the only content of a band, and it keeps lines between
    events from spanning the silence.

    Returns:
        Factors (bands, pieces, 3) of three signals (3, step).
    """
    middle = len(bands.low_cut) // 2
    size = 2 ** (int(np.log2(len(signal) + len(bands.low_cut) + 2 * _longest(bands))) + 1)
    angle = 2 * np.pi / size
    n = np.arange(step)
    waves = np.stack((np.cos(angle * n), np.sin(angle * n), np.ones(step))) * (1 - 2 * (n % 2))
    parts = np.zeros(pieces * step)
    parts[: len(signal)] = signal
    cosine, sine, last = waves @ parts.reshape(pieces, step).T
    turns = np.exp(1j * angle * step * np.arange(pieces))
    offset = np.arange(-middle, middle + 1)
    low_cut = bands.low_cut * (1 - 2 * (offset % 2))
    at_last = last.sum() * low_cut.sum()
    before = ((cosine + 1j * sine) * turns).sum() * (low_cut @ np.cos(angle * offset))
    factors = np.empty((len(bands.windows), pieces, 3))
    for factor, window in zip(factors, bands.windows, strict=True):
        k = np.arange(len(window))
        product = before * ((window * (1 - 2 * (k % 2))) @ np.exp(1j * angle * k)) / size
        rest = 2 * (at_last - 1) * product * np.exp(-1j * angle * (len(window) // 2)) * turns.conj()
        factor[:, 0], factor[:, 1], factor[:, 2] = rest.real, rest.imag, at_last * product.real
    return factors, waves


def _longest(bands: Bands) -> int:
    """Return the length of the longest window as in WORLD: twice its half length, rounded up."""
    return 2 * int(1 + SAMPLE_RATE / bands.frequencies[0] / 2)


def _measure_event_rates(band: np.ndarray, times: np.ndarray) -> np.ndarray | None:
    """Return the rates in Hz (4, frames) of falling and rising zero crossings, peaks and dips.

    The result is None if there are too few events of any kind.
    """
    crossings = _find_ends(band > 0), _find_ends(band < 0)
    turns = _find_ends(band[1:] > band[:-1]), _find_ends(band[1:] < band[:-1])
    if min(map(len, crossings + turns)) < LEAST_EVENTS:
        return None
    events = [at + _find_zero(band[at], band[at + 1]) for at in crossings]
    events += [at + _find_zero(band[at + 1] - band[at], band[at + 2] - band[at + 1]) for at in turns]
    return np.stack([_interpolate_rate(places, times) for places in events])


def _find_ends(holds: np.ndarray) -> np.ndarray:
    """Return the places where a condition holds and does not hold at the next place."""
    return np.flatnonzero(holds[:-1] > holds[1:])


def _find_zero(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Return where lines from one value to the next, a sample later, cross zero."""
    return left / (left - right)


def _interpolate_rate(events: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Interpolate the rates of events (frames,), each given by two successive events at their middle."""
    rates = SAMPLE_RATE / np.diff(events)
    points = (events[1:] + events[:-1] + 2) / (2 * SAMPLE_RATE)  # in seconds, counted from 1 as in MATLAB
    line = np.clip(np.searchsorted(points, times, side="right"), 1, len(points) - 1)
    share = (times - points[line - 1]) / (points[line] - points[line - 1])
    return rates[line - 1] + share * (rates[line] - rates[line - 1])
