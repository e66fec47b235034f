"""F0 extraction by the neural network CREPE."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np

from benchmark.extractors.f0.extractors import F0
from benchmark.extractors.libraries import require
from benchmark.types import SAMPLE_RATE

if TYPE_CHECKING:
    import torch

FRAMES_AT_ONCE = 512
"""Frames that the network and the decoder process as one piece, 5 s at 10 ms."""
BIN, LOWEST = 20.0, 1997.3794084376191
"""Width of the network's bins in cents, and the first bin in cents above 10 Hz."""
NEIGHBOURS = 4
"""Bins to either side of the decoded one that its pitch is averaged over, as in the original CREPE."""


@dataclass(frozen=True, kw_only=True)
class Crepe(F0):
    """CREPE (Kim et al. 2018) with the weights of the torchcrepe package and Viterbi decoding.

    Attributes:
        model: "tiny" (0.5 M parameters) or "full" (22 M).
        periodicity: Smallest confidence of the network in a voiced frame.
    """

    library: ClassVar[str] = "torchcrepe"
    extra: ClassVar[str] = "crepe"

    name: ClassVar[str] = "CREPE"

    model: Literal["tiny", "full"] = "tiny"
    periodicity: float = 0.21

    @property
    def words(self) -> str:
        """Description of the extractor for definitions."""
        return f"{super().words}, {self.model}, voiced from periodicity {self.periodicity:g}"

    def track(self, samples: np.ndarray) -> np.ndarray:
        """See `F0.track`.

        Raises:
            UserError: torchcrepe is not installed.
        """
        require("torchcrepe", "crepe")
        import torch
        import torchcrepe

        with torch.no_grad():
            f0, periodicity = torchcrepe.predict(
                torch.from_numpy(samples.astype(np.float32))[None],
                SAMPLE_RATE,
                round(self.frame_period * SAMPLE_RATE / 1000),
                fmin=self.floor,
                fmax=self.ceiling,
                model=self.model,
                decoder=_decode,
                return_periodicity=True,
                batch_size=FRAMES_AT_ONCE,
                device="cpu",
            )
        return np.where(periodicity >= self.periodicity, f0, 0.0)[0].astype(np.float64)


def _decode(salience: "torch.Tensor") -> tuple["torch.Tensor", "torch.Tensor"]:
    """Return the bins of the Viterbi path, and F0 in Hz without the random dither of torchcrepe's decoder.

    Args:
        salience: (1, 360, frames), minus infinity outside floor and ceiling.
    """
    import torch
    import torchcrepe

    bins, _ = torchcrepe.decode.viterbi(salience)
    weights = salience.clamp(min=0)
    number = torch.arange(weights.shape[1])[None, :, None]
    weights = torch.where((number - bins[:, None]).abs() <= NEIGHBOURS, weights, 0)
    cents = (weights * (LOWEST + BIN * number)).sum(1) / weights.sum(1)
    return bins, 10 * 2 ** (cents / 1200)
