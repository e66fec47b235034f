"""What a probe is and how it is trained: the yaml group `probe`."""

from dataclasses import dataclass, fields
from math import ceil

from benchmark.errors import UserError, unknown

COMBINE = ("sum", "attention")


@dataclass(frozen=True, kw_only=True)
class ProbeConfig:
    """Size and schedule of a probe; the same for every tokenizer that is compared."""

    name: str
    embedding_dim: int
    """Width of every codebook's embedding and of the frame made from them."""
    combine: str
    """How the K embeddings of a frame become one: "sum", or "attention" over codebooks as in DASB."""
    min_frame_rate: float
    """Frames per second that the probe works at, at least: slower codes are repeated, see `upsampling`."""
    hidden_dim: int
    """Units per direction of the BiLSTM."""
    layers: int
    dropout: float
    """Between the layers of the BiLSTM, and on the vector that the intent probe pools from it."""
    substitution: float
    """Share of the codes that training replaces by random ones of their codebook, anew each time."""
    learning_rate: float
    """Peak: reached linearly over the share `warmup` of all steps, left along a cosine to zero."""
    warmup: float
    weight_decay: float
    grad_clip: float
    """Largest norm of the gradient."""
    batch_size: int
    steps_per_epoch: int | None
    """Batches between two looks at dev; None for one pass over the training utterances."""
    epochs: int
    patience: int | None
    """Stop after so many epochs without a better dev score; None trains to the end."""

    def __post_init__(self) -> None:
        """Raise UserError for a value that no training can use."""
        if self.combine not in COMBINE:
            raise unknown("combine", self.combine, COMBINE)
        optional = {"substitution", "weight_decay", "dropout", "warmup"}
        for field in fields(self):
            value = getattr(self, field.name)
            if not isinstance(value, int | float):
                continue
            if value < 0 or (value == 0 and field.name not in optional):
                raise UserError(f"probe {self.name!r}: {field.name}={value} must be positive")
        for name in ("substitution", "dropout", "warmup"):
            if getattr(self, name) >= 1:
                raise UserError(f"probe {self.name!r}: {name}={getattr(self, name)} must be below 1")

    def upsampling(self, frame_rate: float) -> int:
        """Smallest number of repetitions of each frame that reaches `min_frame_rate`.

        A CTC head cannot emit more symbols than frames, and English speech runs at about 15
        characters a second: without this rule a slow tokenizer is scored on its frame rate. It is
        the same rule for all and part of the probe's definition.
        """
        return max(1, ceil(self.min_frame_rate / frame_rate - 1e-6))
