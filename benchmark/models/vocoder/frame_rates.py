"""Frame rates inside the vocoder: 50 Hz for slow tokens, 100 Hz for fast ones.

One upsampler per model rate keeps the generator the same for all tokens of that rate, so that differences
between tokenizers come from the tokens. Tokens may be repeated, but are never dropped.
"""

from dataclasses import dataclass
from math import ceil

import numpy as np

from benchmark.errors import UserError
from benchmark.types import SAMPLE_RATE, TokenizerSpec

MODEL_RATES = (50, 100)


@dataclass(frozen=True)
class FrameRates:
    """Mapping from token frames to model frames, and from model frames to samples.

    Attributes:
        token_rate: The tokenizer's frame rate in Hz.
        frame_offset: See `TokenizerSpec.frame_offset`. Model frame t stands for the `hop_length` samples from
            frame_offset + t * hop_length on, whose middle is that of the tokenizer's window.
    """

    token_rate: float
    frame_offset: int = 0

    def __post_init__(self) -> None:
        if not 0 < self.token_rate <= max(MODEL_RATES):
            raise UserError(
                f"the vocoder takes tokens of at most {max(MODEL_RATES)} frames per second, "
                f"not {self.token_rate}; decode with the tokenizer's own decoder instead"
            )

    @classmethod
    def of(cls, spec: TokenizerSpec) -> "FrameRates":
        """Return the frame rates of a tokenizer."""
        return cls(spec.frame_rate, spec.frame_offset)

    @property
    def model_rate(self) -> int:
        """Frames per second inside the model: the lowest rate that holds every token."""
        return next(rate for rate in MODEL_RATES if self.token_rate <= rate)

    @property
    def hop_length(self) -> int:
        """Samples per model frame at 16 kHz."""
        return SAMPLE_RATE // self.model_rate

    def frames(self, tokens: int) -> int:
        """Return the model frames of a sequence of `tokens` token frames; the last may be covered in part."""
        return ceil(tokens * self.model_rate / self.token_rate - 1e-6)

    def index(self, tokens: int) -> np.ndarray:
        """Return the token (frames,) under the centre of every model frame, such as 0 1 1 2 for 75 Hz."""
        centres = (np.arange(self.frames(tokens)) + 0.5) / self.model_rate
        return np.minimum(np.floor(centres * self.token_rate + 1e-9).astype(np.int64), tokens - 1)

    def expand(self, codes: np.ndarray) -> np.ndarray:
        """Map (K, L) codes at the token rate to (K, frames) at the model rate."""
        return codes[:, self.index(codes.shape[1])]

    def frames_within(self, samples: int) -> int:
        """Return the number of whole model frames in a recording of `samples` samples."""
        return max(0, samples - self.frame_offset) // self.hop_length

    def from_first_frame(self, wav: np.ndarray) -> np.ndarray:
        """Return the samples (T,) from the start of frame 0, cutting the head or prepending silence."""
        return _shifted(wav, self.frame_offset)

    def from_first_sample(self, wav: np.ndarray) -> np.ndarray:
        """Undo `from_first_frame`: return synthesized samples (T,) from the start of the recording."""
        return _shifted(wav, -self.frame_offset)


def _shifted(wav: np.ndarray, samples: int) -> np.ndarray:
    return wav[samples:] if samples >= 0 else np.pad(wav, (-samples, 0))
