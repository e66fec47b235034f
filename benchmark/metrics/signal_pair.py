"""An original and what was made of its codes, with everything that several metrics ask of them once."""

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
"""How two signals are brought to one length, and the words for it in definitions."""


@dataclass
class Pair:
    """One utterance to score; only what is asked for is computed, and that once.

    Attributes:
        utterance_id: Of the original.
        reference: The original, float32 (T,) at 16 kHz.
        decoded: What was made of its codes, float32 (T',).
        text: What is said, where that is known.
        language: Of `text`, ISO 639-1.
        given: Values made beforehand, by side and key of the extractor, or why there is none.
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
        """Original and decoded signal of one length, see `ALIGNMENTS`."""
        if alignment not in ALIGNMENTS:
            raise unknown("alignment", alignment, ALIGNMENTS)
        return self._aligned[alignment] if alignment in self._aligned else self._align(alignment)

    def value(self, side: Side, extractor: Extractor, alignment: Alignment = "delay") -> Value:
        """What the extractor makes of one side.

        Of the original it is that of the whole recording, of the decoded signal that after alignment; frames
        may therefore differ in number.

        Raises:
            AudioError: there is none, for the reason it says.
            KeyError: the value of a model that was not made beforehand.
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
