"""PESQ and STOI of decoded against original speech, sample-aligned and of equal length."""

import warnings
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
import pesq
import pystoi

from benchmark.errors import unknown
from benchmark.metrics.base import Metric, Undefined, require_same_shape
from benchmark.metrics.pair import ALIGNMENTS, Alignment, Pair
from benchmark.types import SAMPLE_RATE

BANDS = {"wb": "wideband, 16 kHz, ITU-T P.862.2", "nb": "narrowband, 16 kHz, ITU-T P.862.1"}


@dataclass(frozen=True, kw_only=True)
class Pesq(Metric):
    """PESQ (Rix et al. 2001), MOS-LQO from about 1.0 to 4.64.

    It has no value where no utterance is found in the original, for a clip under a quarter of a second, and for
    digital silence on either side.

    Attributes:
        band: "wb" or "nb".
        alignment: See `ALIGNMENTS`.
    """

    higher_is_better: ClassVar[bool | None] = True
    decimals: ClassVar[int] = 2

    label: str = "PESQ"
    band: Literal["wb", "nb"] = "wb"
    alignment: Alignment = "delay"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.band not in BANDS:
            raise unknown("band", self.band, BANDS)

    @property
    def definition(self) -> str:
        """See `Metric.definition`."""
        return f"{BANDS[self.band]}, mean over files, {ALIGNMENTS[self.alignment]}"

    def score(self, pair: Pair) -> float:
        """See `Metric.score`."""
        reference, decoded = pair.aligned(self.alignment)
        _require_sound(reference, decoded)
        try:
            return float(pesq.pesq(SAMPLE_RATE, reference, decoded, self.band))
        except (pesq.NoUtterancesError, pesq.BufferTooShortError) as error:
            raise Undefined(error.args[0].decode().strip() if error.args else type(error).__name__) from error


@dataclass(frozen=True, kw_only=True)
class Stoi(Metric):
    """Short-time objective intelligibility (Taal et al. 2011; extended: Jensen and Taal 2016), at most 1.

    It has no value for digital silence on either side, and where fewer than 30 frames (0.4 s) remain after
    silent ones are removed, for which pystoi itself returns 0.00001.

    Attributes:
        extended: Whether it is ESTOI.
        alignment: See `ALIGNMENTS`.
    """

    higher_is_better: ClassVar[bool | None] = True

    label: str = "STOI"
    extended: bool = False
    alignment: Alignment = "delay"

    @property
    def definition(self) -> str:
        """See `Metric.definition`."""
        return (
            f"pystoi, {'' if self.extended else 'not '}extended, mean over files, {ALIGNMENTS[self.alignment]}"
        )

    def score(self, pair: Pair) -> float:
        """See `Metric.score`."""
        reference, decoded = pair.aligned(self.alignment)
        _require_sound(reference, decoded)
        too_short = "Not enough STFT frames"
        with warnings.catch_warnings():
            warnings.filterwarnings("error", message=too_short, category=RuntimeWarning)
            try:
                return float(pystoi.stoi(reference, decoded, SAMPLE_RATE, extended=self.extended))
            except RuntimeWarning as warning:
                raise Undefined("fewer than 30 frames are not silent") from warning


def _require_sound(reference: np.ndarray, decoded: np.ndarray) -> None:
    """Raises: Undefined where a side is empty or digital silence."""
    require_same_shape(reference, decoded)
    for side, wav in (("the original", reference), ("the decoded signal", decoded)):
        if not wav.any():
            raise Undefined(f"{side} is digital silence")
