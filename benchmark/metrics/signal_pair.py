"""A pair of an original and its decoded signal, with the values that several metrics share."""

from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

import numpy as np

from benchmark.data.audio import AudioError
from benchmark.errors import unknown
from benchmark.extractors.base import Extractor, Side, SignalExtractor, Value
from benchmark.metrics.delay import MAX_DELAY, estimate_delay, remove_delay
from benchmark.types import SAMPLE_RATE

Alignment = Literal["delay", "cut", "pad"]
ALIGNMENTS: dict[Alignment, str] = {
    "delay": f"delay within ±{MAX_DELAY * 1000 // SAMPLE_RATE} ms removed, length made the original's",
    "cut": "no delay removed, both cut to the shorter",
    "pad": "no delay removed, the shorter padded with zeros",
}
"""Ways to bring two signals to one length, with their wording in definitions."""


@dataclass
class Pair:
    """One utterance to score. Values are computed on request, and once.

    Attributes:
        utterance_id: Id of the original.
        reference: The original, float32 (T,) at 16 kHz.
        decoded: The signal decoded from the original's codes, float32 (T',) at 16 kHz.
        text: Transcript, if known.
        language: Language of `text`, ISO 639-1.
        given: Values computed beforehand, by side and key of the extractor, or the error instead of a value.
    """

    utterance_id: str
    reference: np.ndarray
    decoded: np.ndarray
    text: str | None = None
    language: str = "en"
    given: dict[tuple[Side, str], Value | AudioError] = field(default_factory=dict)

    @cached_property
    def delay(self) -> int:
        """Samples by which the decoded signal lags the original."""
        return estimate_delay(self.reference, self.decoded)

    def aligned(self, alignment: Alignment) -> tuple[np.ndarray, np.ndarray]:
        """Return original and decoded signal of one length, see `ALIGNMENTS`."""
        if alignment not in ALIGNMENTS:
            raise unknown("alignment", alignment, ALIGNMENTS)
        return self._aligned[alignment] if alignment in self._aligned else self._align(alignment)

    def value(self, side: Side, extractor: Extractor, alignment: Alignment = "delay") -> Value:
        """Return the extractor's value of one side.

        The original's value is that of the whole recording; the decoded signal's is that after alignment. The
        two may therefore differ in their number of frames.

        Raises:
            AudioError: there is no value, for the reason in the message.
            KeyError: the value is a model's and was not computed beforehand.
        """
        whole = side != "decoded" or extractor.batched
        name = extractor.key if whole else f"{extractor.key} {alignment}"
        if (side, name) not in self.given:
            if not isinstance(extractor, SignalExtractor) or side == "prompt":
                raise KeyError(f"{extractor} of the {side} of {self.utterance_id} was not made beforehand")
            wav = self.reference if side == "reference" else self.aligned(alignment)[1]
            [self.given[side, name]] = extractor.load("cpu")([wav])
        found = self.given[side, name]
        if isinstance(found, AudioError):
            raise found
        return found

    @cached_property
    def _aligned(self) -> dict[Alignment, tuple[np.ndarray, np.ndarray]]:
        return {}

    def _align(self, alignment: Alignment) -> tuple[np.ndarray, np.ndarray]:
        reference, decoded = self.reference, self.decoded
        if alignment == "delay":
            signals = reference, remove_delay(decoded, self.delay, len(reference))
        elif alignment == "cut":
            length = min(len(reference), len(decoded))
            signals = reference[:length], decoded[:length]
        else:
            length = max(len(reference), len(decoded))
            signals = (
                np.pad(reference, (0, length - len(reference))),
                np.pad(decoded, (0, length - len(decoded))),
            )
        self._aligned[alignment] = signals
        return signals
