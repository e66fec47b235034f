"""Frame rates inside the vocoder: 50 Hz for slow tokens, 100 Hz for fast ones.

One upsampler per model rate keeps the generator the same for all tokens of that rate, so that
differences between tokenizers come from the tokens. Tokens are only ever repeated, never dropped.
"""

from dataclasses import dataclass
from math import ceil

import numpy as np

from benchmark.errors import UserError
from benchmark.types import SAMPLE_RATE

MODEL_RATES = (50, 100)


@dataclass(frozen=True)
class FrameRates:
    """How token frames map to model frames. `token_rate` is the tokenizer's frame rate in Hz."""

    token_rate: float

    def __post_init__(self) -> None:
        if not 0 < self.token_rate <= max(MODEL_RATES):
            raise UserError(
                f"the vocoder takes tokens of at most {max(MODEL_RATES)} frames per second, "
                f"not {self.token_rate}; decode with the tokenizer's own decoder instead"
            )

    @property
    def model_rate(self) -> int:
        """Frames per second inside the model: the slowest that holds every token."""
        return next(rate for rate in MODEL_RATES if self.token_rate <= rate)

    @property
    def hop_length(self) -> int:
        """Samples per model frame at 16 kHz."""
        return SAMPLE_RATE // self.model_rate

    def frames(self, tokens: int) -> int:
        """Model frames of a sequence of `tokens` token frames; the last may be covered in part."""
        return ceil(tokens * self.model_rate / self.token_rate - 1e-6)

    def index(self, tokens: int) -> np.ndarray:
        """(frames,) the token under the centre of every model frame, such as 0 1 1 2 for 75 Hz."""
        centres = (np.arange(self.frames(tokens)) + 0.5) / self.model_rate
        return np.minimum(np.floor(centres * self.token_rate + 1e-9).astype(np.int64), tokens - 1)

    def expand(self, codes: np.ndarray) -> np.ndarray:
        """(K, L) codes at the token rate to (K, frames) at the model rate."""
        return codes[:, self.index(codes.shape[1])]
