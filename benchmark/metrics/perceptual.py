"""PESQ of decoded against original speech."""

from dataclasses import dataclass
from typing import ClassVar, Literal

import pesq

from benchmark.errors import unknown
from benchmark.metrics.base import Metric, MetricUndefined
from benchmark.metrics.framing import align_audible
from benchmark.metrics.signal_pair import ALIGNMENTS, Alignment, Pair
from benchmark.types import SAMPLE_RATE

BANDS = {"wb": "wideband, 16 kHz, ITU-T P.862.2", "nb": "narrowband, 16 kHz, ITU-T P.862.1"}


@dataclass(frozen=True, kw_only=True)
class Pesq(Metric):
    """PESQ (Rix et al. 2001), a MOS-LQO from about 1.0 to 4.64.

    PESQ of identical files is 4.55 (narrow-band) and 4.64 (wide-band). There is no value if PESQ finds no
    utterance in the original, for clips under a quarter of a second, and for digital silence on either side.

    Attributes:
        band: "wb" for wideband, "nb" for narrowband.
        alignment: Key of `ALIGNMENTS`.
    """

    family: ClassVar[str] = "quality"

    higher_is_better: ClassVar[bool | None] = True
    decimals: ClassVar[int] = 2
    least: ClassVar[float] = 0.999  # the ends of P.862.2's mapping to MOS-LQO; P.862.1 ends at 4.549
    most: ClassVar[float] = 4.644

    label: str = "PESQ"
    band: Literal["wb", "nb"] = "wb"
    alignment: Alignment = "delay"

    def __post_init__(self) -> None:
        if self.band not in BANDS:
            raise unknown("band", self.band, BANDS)

    @property
    def definition(self) -> str:
        """See `Metric.definition`."""
        return f"{BANDS[self.band]}, mean over files, {ALIGNMENTS[self.alignment]}"

    def score(self, pair: Pair) -> float:
        """See `Metric.score`."""
        reference, decoded = align_audible(pair, self.alignment)
        try:
            return float(pesq.pesq(SAMPLE_RATE, reference, decoded, self.band))
        except (pesq.NoUtterancesError, pesq.BufferTooShortError) as error:
            raise MetricUndefined(
                error.args[0].decode().strip() if error.args else type(error).__name__
            ) from error
