"""Metrics of the samples themselves: SI-SDR and delay."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from benchmark.metrics.base import Metric, MetricUndefined
from benchmark.metrics.delay import MAX_DELAY
from benchmark.metrics.framing import align_audible
from benchmark.metrics.signal_pair import ALIGNMENTS, Alignment, Pair
from benchmark.types import SAMPLE_RATE


@dataclass(frozen=True, kw_only=True)
class SiSdr(Metric):
    """Scale-invariant signal-to-distortion ratio in dB (Le Roux et al. 2019).

    The ratio is infinite, and has no value, if the decoded signal is a copy. There is no value either if the
    decoded signal contains nothing of the original.

    Attributes:
        zero_mean: Whether the signals' means are subtracted first.
        alignment: Key of `ALIGNMENTS`.
    """

    family: ClassVar[str] = "waveform"
    unit: ClassVar[str] = "dB"
    higher_is_better: ClassVar[bool | None] = True
    decimals: ClassVar[int] = 2

    label: str = "SI-SDR"
    zero_mean: bool = False
    alignment: Alignment = "delay"

    @property
    def definition(self) -> str:
        """See `Metric.definition`."""
        mean = "subtracted" if self.zero_mean else "kept"
        return (
            "energy of the original, scaled to fit, over that of the difference (Le Roux et al. 2019), mean "
            f"of signals {mean}, mean over files, {ALIGNMENTS[self.alignment]}"
        )

    def score(self, pair: Pair) -> float:
        """See `Metric.score`."""
        reference, decoded = (np.asarray(wav, np.float64) for wav in align_audible(pair, self.alignment))
        if self.zero_mean:
            reference, decoded = reference - reference.mean(), decoded - decoded.mean()
        energy = reference @ reference
        if not energy:
            raise MetricUndefined("the original is constant")
        target = (decoded @ reference / energy) * reference
        noise = decoded - target
        kept, lost = target @ target, noise @ noise
        # A copy leaves only the rounding error of float64.
        if lost <= kept * np.finfo(float).eps or not kept:
            raise MetricUndefined(
                "the decoded signal is a copy" if kept else "nothing of the original is in it"
            )
        return float(10 * np.log10(kept / lost))


@dataclass(frozen=True, kw_only=True)
class Delay(Metric):
    """Samples by which the decoded signal lags the original, see `benchmark.metrics.delay`."""

    family: ClassVar[str] = "waveform"
    unit: ClassVar[str] = "samples"
    higher_is_better: ClassVar[bool | None] = None
    decimals: ClassVar[int] = 0

    label: str = "Delay"

    @property
    def definition(self) -> str:
        """See `Metric.definition`."""
        window = MAX_DELAY * 1000 // SAMPLE_RATE
        return (
            f"lag of decoded behind original speech at {SAMPLE_RATE // 1000} kHz by cross-correlation within "
            f"±{window} ms, mean over files"
        )

    def score(self, pair: Pair) -> float:
        """See `Metric.score`."""
        align_audible(pair, "cut")
        return float(pair.delay)
