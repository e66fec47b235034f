"""The first step of Harvest (Morise 2017): candidates of F0 from the events in band-pass filtered signals."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.fft import irfft, next_fast_len, rfft

RATE = 8000
"""Sample rate of the signal in Hz."""
BANDS_IN_OCTAVE = 40
MARGIN = 0.1
"""Relative margin by which bands extend below the floor and above the ceiling."""
TOLERANCE = 0.1
"""Largest relative distance of a valid event rate from its band's frequency."""
LEAST_BANDS = 10
LEAST_EVENTS = 4
TRANSFORM = 8192
"""Smallest length of the filtered pieces, short enough for the cache of a core."""
TOGETHER = 8
"""Number of bands whose signals are held in memory at once."""


def raw_candidates(signal: np.ndarray, count: int, floor: float, ceiling: float) -> np.ndarray:
    """Return candidates in Hz (frames, most in a frame), ascending in each frame and padded with 0.

    A candidate is the mean event rate of at least ten adjacent bands.

    Args:
        signal: float64 (T,) at 8 kHz.
        count: Number of frames of 1 ms.
        floor: Lowest F0 in Hz.
        ceiling: Highest F0 in Hz.
    """
    bands = _make_bands(floor, ceiling)
    times = np.arange(count) / 1000
    total, agreeing = np.zeros(count), np.zeros(count, np.int16)
    found = []
    outermost = bands.frequencies[[0, -1]]
    for frequency, band in zip(bands.frequencies, _filter(signal, bands), strict=True):
        f0 = np.zeros(count) if frequency in outermost else _measure_event_rate(band, times)
        lowest, highest = frequency * (1 - TOLERANCE), frequency * (1 + TOLERANCE)
        inside = (f0 >= max(lowest, floor)) & (f0 <= min(highest, ceiling))
        ended = np.flatnonzero((agreeing >= LEAST_BANDS) > inside)
        found.append((ended, total[ended] / agreeing[ended]))
        total = np.where(inside, total + f0, 0)
        agreeing = np.where(inside, agreeing + 1, 0)
    frames, values = (np.concatenate(part) for part in zip(*found, strict=True))
    order = np.argsort(frames, kind="stable")
    frames, values = frames[order], values[order]
    places = np.arange(len(frames)) - np.searchsorted(frames, frames)
    candidates = np.zeros((count, places.max(initial=-1) + 1))
    candidates[frames, places] = values
    return candidates


@dataclass(frozen=True)
class Bands:
    """Filters, each symmetric about its middle.

    Attributes:
        frequencies: Frequencies of the bands in Hz, ascending: (bands,).
        halves: Number of coefficients to either side of the middle: (bands,).
        kernels: Coefficients from the middle on, doubled except for the middle: (bands, longest half + 1).
        size: Length of the transform in samples.
        spectra: Spectra of the filters without delay, which are real. Each bin is repeated for the two parts
            of a complex number: (bands, size + 2).
    """

    frequencies: np.ndarray
    halves: np.ndarray
    kernels: np.ndarray
    size: int
    spectra: np.ndarray


@lru_cache(maxsize=4)
def _make_bands(floor: float, ceiling: float) -> Bands:
    """Build the filters, which are cosines of four periods under a Nuttall window."""
    floor, ceiling = floor * (1 - MARGIN), ceiling * (1 + MARGIN)
    count = 1 + int(np.log2(ceiling / floor) * BANDS_IN_OCTAVE)
    frequencies = floor * 2 ** (np.arange(1, count + 1) / BANDS_IN_OCTAVE)
    halves = (2 * RATE / frequencies + 0.5).astype(int)
    size = next_fast_len(max(TRANSFORM, 8 * int(halves[0])), real=True)
    size += size % 2
    kernels, symmetric = np.zeros((count, halves[0] + 1)), np.zeros((count, size))
    for kernel, frequency, half in zip(kernels, frequencies, halves, strict=True):
        n = np.arange(half + 1)
        turn = np.pi * n / half
        window = (
            0.355768 + 0.487396 * np.cos(turn) + 0.144232 * np.cos(2 * turn) + 0.012604 * np.cos(3 * turn)
        )
        kernel[: half + 1] = window * np.cos(2 * np.pi * frequency / RATE * n)
    symmetric[:, : kernels.shape[1]] = kernels
    symmetric[:, -halves[0] :] = kernels[:, :0:-1]
    kernels[:, 1:] *= 2
    return Bands(frequencies, halves, kernels, size, np.repeat(rfft(symmetric).real, 2, axis=1))


def _filter(signal: np.ndarray, bands: Bands) -> Iterator[np.ndarray]:
    """Yield the signal of each band (T,), one sample early as in WORLD, filtered in overlapping pieces."""
    length, reach, size = len(signal), int(bands.halves[0]), bands.size
    step = size - 2 * reach
    pieces = -(-length // step)
    padded = np.zeros((pieces - 1) * step + size)
    padded[reach - 1 : reach - 1 + length] = signal
    spectra = rfft(np.lib.stride_tricks.sliding_window_view(padded, size)[::step]).view(float)
    factors, leaks = _compute_leaks(signal, bands, pieces * step)
    product = np.empty_like(spectra)
    for first in range(0, len(factors), TOGETHER):
        some = slice(first, first + TOGETHER)
        signals = (factors[some] @ leaks).reshape(-1, pieces, step)
        for spectrum, out in zip(bands.spectra[some], signals, strict=True):
            np.multiply(spectra, spectrum, out=product)
            out += irfft(product.view(complex), n=size)[:, reach : reach + step]
            yield out.reshape(-1)[:length]


def _compute_leaks(signal: np.ndarray, bands: Bands, length: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the signals that WORLD adds to each band by overwriting two bins of its transform.

    WORLD transforms the whole signal. It sets each of the two highest bins to the product at the last bin but
    one, times the signal's spectrum at the last bin. The effect grows with the square of the signal; for
    samples scaled as 16-bit integers it changes voicing and F0 of real speech. In digital silence it is the
    only content of a band, and it keeps lines between events from spanning the silence.

    Returns:
        Factors (bands, 2) of two signals (2, length).
    """
    longest = int(2 * RATE / bands.frequencies[0])
    size = 2 ** (int(np.log2(len(signal) + 5 + 2 * longest)) + 1)
    n = np.arange(length + 1)
    sign = 1.0 - 2 * (n % 2)
    turn = np.exp(-2j * np.pi / size * n)
    last = signal @ sign[: len(signal)]
    before = signal @ (sign * turn.conj())[: len(signal)]
    k = np.arange(bands.kernels.shape[1])
    alternating = bands.kernels * (1 - 2 * (k % 2))
    gain_last, gain_before = alternating.sum(1), alternating @ np.cos(2 * np.pi / size * k)
    # WORLD's filters have a delay, which becomes a phase when the last bin but one is copied to the last.
    delayed = (before * np.exp(2j * np.pi / size * bands.halves)).real
    factors = np.stack((2 * gain_before * (last - 1), last * (gain_before * delayed - gain_last)), 1)
    return factors / size, np.stack((sign * (before * turn).real, sign))[:, 1:]


def _measure_event_rate(band: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Return the mean rate in Hz (frames,) of rising and falling zero crossings, peaks and dips.

    The rate of each kind is interpolated between points, each given by two successive events at their middle.
    The result is 0 if there are too few events.
    """
    slope, offset = np.zeros(len(times)), np.zeros(len(times))
    positive, upward = band > 0, band[1:] > band[:-1]
    crossings = np.flatnonzero(positive[1:] != positive[:-1])
    turns = np.flatnonzero(upward[1:] != upward[:-1])
    if min(len(crossings), len(turns)) < 2 * LEAST_EVENTS:
        return offset
    left, right = band[crossings], band[crossings + 1]
    middle = band[turns + 1]
    before, after = middle - band[turns], band[turns + 2] - middle
    for events in (crossings + left / (left - right), turns + before / (before - after)):
        # The two kinds alternate, so the next event of the same kind is the next but one.
        rates = RATE / (events[2:] - events[:-2])
        points = (events[2:] + events[:-2] + 2) / (2 * RATE)  # in seconds, counted from 1 as in MATLAB
        slopes = (rates[2:] - rates[:-2]) / (points[2:] - points[:-2])
        offsets = rates[:-2] - slopes * points[:-2]
        begins = np.minimum(np.ceil(points[2:-2] * 1000), len(times)).astype(np.int64)
        for kind in (0, 1):
            line = np.bincount(begins[kind::2], minlength=len(times))[: len(times)].cumsum()
            slope += slopes[kind::2][line]
            offset += offsets[kind::2][line]
    return (offset + slope * times) / 4
