"""Distances of the short-time spectra of two signals."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from benchmark.errors import UserError
from benchmark.metrics.base import Metric, MetricUndefined
from benchmark.metrics.framing import align_audible, magnitudes, mel_filterbank
from benchmark.metrics.signal_pair import ALIGNMENTS, Alignment, Pair
from benchmark.types import SAMPLE_RATE


@dataclass(frozen=True, kw_only=True)
class SpectralMetric(Metric):
    """Base of the spectral distances.

    Attributes:
        alignment: Key of `ALIGNMENTS`.
    """

    family: ClassVar[str] = "spectrum"
    least: ClassVar[float] = 0.0

    higher_is_better: ClassVar[bool | None] = False

    alignment: Alignment = "delay"

    @property
    def how(self) -> str:
        """Closing words of every definition."""
        return f"mean over files, {ALIGNMENTS[self.alignment]}"

    def spectra(
        self, pair: Pair, n_fft: int, hop: int, window: int | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Compute the amplitude spectra (frames, n_fft // 2 + 1) of original and decoded speech.

        Raises: MetricUndefined for digital silence and for a clip shorter than a hop.
        """
        signals = align_audible(pair, self.alignment)
        if len(signals[0]) < hop:
            raise MetricUndefined(f"shorter than {hop} samples")
        first, second = (magnitudes(wav, n_fft, hop, window or n_fft) for wav in signals)
        return first, second


@dataclass(frozen=True, kw_only=True)
class MelDistance(SpectralMetric):
    """Mean absolute difference of natural-log amplitude mel spectra, those of `benchmark.data.mel.LogMel`.

    Attributes:
        n_fft: Length of FFT and Hann window in samples.
        hop_length: Samples between frames.
        n_mels: Number of bands.
        f_min: Lower edge of the lowest band in Hz.
        f_max: Upper edge of the highest band in Hz.
        floor: Lower limit of amplitudes under the logarithm.
    """

    label: str = "Mel distance"
    n_fft: int = 1024
    hop_length: int = 256
    n_mels: int = 80
    f_min: float = 0.0
    f_max: float = 8000.0
    floor: float = 1e-5

    @property
    def definition(self) -> str:
        """See `Metric.definition`."""
        return (
            f"mean absolute difference of natural-log amplitude mel, FFT {self.n_fft}, "
            f"hop {self.hop_length}, {self.n_mels} Slaney bands {self.f_min:g}–{self.f_max:g} Hz, "
            f"floor {self.floor:g}, {self.how}"
        )

    def score(self, pair: Pair) -> float:
        """See `Metric.score`."""
        filters = mel_filterbank(self.n_fft, self.n_mels, self.f_min, self.f_max)
        spectra = self.spectra(pair, self.n_fft, self.hop_length)
        return log_difference([spectrum @ filters for spectrum in spectra], self.floor, np.log)


@dataclass(frozen=True, kw_only=True)
class MultiResolutionStft(SpectralMetric):
    """The distance of Yamamoto et al. (2020): spectral convergence plus L1 of the natural-log amplitude.

    The sum is averaged over the resolutions.

    Attributes:
        n_fft: FFT sizes in samples.
        hop_length: Samples between frames, one number per FFT size.
        window: Lengths of the Hann windows in samples, one per FFT size.
        floor: Lower limit of amplitudes under the logarithm.
    """

    label: str = "MR-STFT"
    n_fft: Sequence[int] = (1024, 2048, 512)
    hop_length: Sequence[int] = (120, 240, 50)
    window: Sequence[int] = (600, 1200, 240)
    floor: float = 1e-4

    def __post_init__(self) -> None:
        if not len(self.n_fft) == len(self.hop_length) == len(self.window) > 0:
            raise UserError(
                f"metric {self.label}: n_fft, hop_length and window must have the same number of values, "
                f"not {len(self.n_fft)}, {len(self.hop_length)} and {len(self.window)}"
            )

    @property
    def definition(self) -> str:
        """See `Metric.definition`."""
        sizes = zip(self.n_fft, self.hop_length, self.window, strict=True)
        listed = ", ".join(f"{n_fft}/{hop}/{window}" for n_fft, hop, window in sizes)
        return (
            "spectral convergence + L1 of natural-log amplitude (Yamamoto et al. 2020), mean over "
            f"FFT/hop/window {listed}, floor {self.floor:g}, {self.how}"
        )

    def score(self, pair: Pair) -> float:
        """See `Metric.score`."""
        distances = []
        for sizes in zip(self.n_fft, self.hop_length, self.window, strict=True):
            reference, decoded = (np.maximum(part, self.floor) for part in self.spectra(pair, *sizes))
            convergence = np.linalg.norm(reference - decoded) / np.linalg.norm(reference)
            distances.append(convergence + log_difference((reference, decoded), self.floor, np.log))
        return float(np.mean(distances))


@dataclass(frozen=True, kw_only=True)
class MultiScaleDistance(SpectralMetric):
    """The distance of audiotools: L1 of the decimal-log power plus L1 of the amplitude, summed over scales.

    Attributes:
        windows: Lengths of FFT and Hann window in samples; frames are a quarter of a window apart.
        n_mels: Slaney bands up to half the sample rate, one number per window; empty for the plain spectrum.
        floor: Lower limit of amplitudes under the logarithm.
        power: Exponent of the amplitude under the logarithm.
    """

    label: str = "Multi-scale STFT"
    windows: Sequence[int] = (2048, 512)
    n_mels: Sequence[int] = ()
    floor: float = 1e-5
    power: float = 2.0

    def __post_init__(self) -> None:
        if self.n_mels and len(self.n_mels) != len(self.windows):
            raise UserError(
                f"metric {self.label}: n_mels must be empty or as long as windows, which has "
                f"{len(self.windows)} values, not {len(self.n_mels)}"
            )

    @property
    def definition(self) -> str:
        """See `Metric.definition`."""
        windows = ", ".join(map(str, self.windows))
        bands = f" of {', '.join(map(str, self.n_mels))} Slaney mel bands" if self.n_mels else ""
        return (
            f"L1 of amplitude + L1 of log10 amplitude^{self.power:g}{bands}, floor {self.floor:g}, sum over "
            f"windows {windows}, hop a quarter, {self.how}"
        )

    def score(self, pair: Pair) -> float:
        """See `Metric.score`."""
        total = 0.0
        for number, window in enumerate(self.windows):
            spectra: Sequence[np.ndarray] = self.spectra(pair, window, window // 4)
            if self.n_mels:
                filters = mel_filterbank(window, self.n_mels[number], 0.0, SAMPLE_RATE / 2)
                spectra = [spectrum @ filters for spectrum in spectra]
            total += self.power * log_difference(spectra, self.floor, np.log10)
            total += float(np.abs(spectra[0] - spectra[1]).mean(dtype=np.float64))
        return total


def log_difference(
    spectra: Sequence[np.ndarray], floor: float, log: Callable[[np.ndarray], np.ndarray]
) -> float:
    """Compute the mean absolute difference of the logarithms of two spectra of one shape, above a floor."""
    first, second = (log(np.maximum(spectrum, floor)) for spectrum in spectra)
    return float(np.abs(first - second).mean(dtype=np.float64))
