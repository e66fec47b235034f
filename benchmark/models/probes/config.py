"""Sizes and training schedules of the probes, as the yaml group `probe` and its parts set them."""

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from math import ceil
from typing import TYPE_CHECKING

from benchmark.data.batching import Order
from benchmark.errors import UserError, unknown
from benchmark.storage.identity import KEY_UNLESS_DEFAULT
from benchmark.types import TokenizerSpec

if TYPE_CHECKING:  # reading presets must not import torch
    from benchmark.models.probes.transcribing import TranscribingProbe
    from benchmark.models.probes.units import Units

CHOICES = {
    "combine": ("sum", "concat", "attention"),
    "init": ("random", "codebook"),
    "schedule": ("cosine", "newbob"),
    "select": ("cer", "wer", "loss"),
    "units": ("characters", "characters_31", "bpe"),
    "batching": ("bucketed", "random", "ascending"),
}
MAY_BE_ZERO = {
    "substitution",
    "weight_decay",
    "dropout",
    "warmup",
    "pilot_epochs",
    "label_smoothing",
    "min_frame_rate",
}


@dataclass(frozen=True, kw_only=True)
class ProbeConfig:
    """Size and training schedule of a probe, the same for every tokenizer under comparison."""

    name: str
    embedding_dim: int
    """Width of the frame made from the codes, and of each codebook's randomly initialised embeddings."""
    combine: str
    """Combination of the K embeddings of a frame: "sum", "concat" with a projection from K · D to the width,
    or "attention" over codebooks as in DASB."""
    min_frame_rate: float
    """Minimum number of frames per second of the probe; slower codes are repeated, see `upsampling`. Zero
    repeats none."""
    hidden_dim: int
    """Units per direction of the BiLSTM."""
    layers: int
    dropout: float
    """Dropout between the layers of the BiLSTM, and on the vector that the intent probe pools."""
    substitution: float
    """Share of the codes that training replaces by random codes of the same codebook, drawn anew each
    time."""
    learning_rate: float | Sequence[float]
    """Peak of the schedule. If there are several values, each gets a pilot training, and the best on dev is
    used."""
    warmup: float
    """Share of all steps during which the learning rate rises linearly."""
    weight_decay: float
    grad_clip: float
    """Maximum norm of the gradient."""
    batch_size: int
    steps_per_epoch: int | None
    """Batches between two evaluations on dev; None for one pass over the training utterances."""
    epochs: int
    patience: int | None
    """Epochs without a better dev score after which training stops; None trains to the end."""
    pilot_epochs: int = 0
    """Epochs of a pilot training, which has a complete schedule; required with several learning rates."""
    schedule: str = "cosine"
    """Schedule after the warm-up: "cosine" decays to zero; "newbob" multiplies the rate by 0.8 after an epoch
    whose dev loss is not at least 0.25 % below that of the epoch before (for intents, the dev error, unless
    `select` is "loss")."""
    shared_rows: int | None = None
    """Rows of one embedding table shared by all codebooks, so that the number of parameters does not depend
    on K and V, see `frontend.row_numbers`. None gives every code a row of its own."""
    init: str = "random"
    """Initial embeddings: "random", or the tokenizer's "codebook" vectors projected to the width."""
    freeze: bool = False
    """Keep the embeddings at their initial values."""
    open_forget_gates: bool = True
    """Start forget gates with a bias of 1; torch's default is close to 0."""
    projection_dim: int | None = None
    """Intent: width of a linear layer between the BiLSTM and the output; None for no such layer."""
    select: str = "cer"
    """Dev score that selects the epoch: "loss", or else the errors of the probe, which for ASR are "cer" or
    "wer"."""
    units: str = "characters"
    """ASR: output units of CTC: "characters", "characters_31" with two more for the ends of a sentence (see
    `units.CharactersAndEnds`), or "bpe" for word pieces trained on the training texts."""
    bpe_size: int = 200
    """Number of word pieces, single characters included; used only with `units` "bpe"."""
    beam: int | None = None
    """ASR: prefixes kept by the beam search on test, without language model; None decodes greedily."""
    batch_seconds: float | None = field(default=None, metadata=KEY_UNLESS_DEFAULT)
    """Maximum seconds of speech in a batch, padding counted, whatever K and the frame rate; None leaves
    `batch_size` as the only limit."""
    batching: Order = field(default="bucketed", metadata=KEY_UNLESS_DEFAULT)
    """Order of the training utterances: "bucketed" for batches of similar length, "random", or "ascending" by
    length in every epoch."""

    def __post_init__(self) -> None:
        """Raise UserError for a value that no training can use."""
        for name, legal in CHOICES.items():
            if getattr(self, name) not in legal:
                raise unknown(name, getattr(self, name), legal)
        for item in fields(self):
            values = getattr(self, item.name)
            for value in values if isinstance(values, Sequence) else [values]:
                self._require_usable(item.name, value)
        for name in ("substitution", "dropout", "warmup"):
            if getattr(self, name) >= 1:
                raise UserError(f"probe {self.name!r}: {name}={getattr(self, name)} must be below 1")
        if not self.learning_rates:
            raise UserError(f"probe {self.name!r}: learning_rate=[] must hold at least one value")
        if len(self.learning_rates) > 1 and not self.pilot_epochs:
            raise UserError(f"probe {self.name!r}: several learning rates need pilot_epochs of 1 or more")
        if self.batching == "ascending" and self.steps_per_epoch is not None:
            raise UserError(
                f"probe {self.name!r}: steps_per_epoch={self.steps_per_epoch} with batching=ascending would "
                "train on the shortest utterances alone; use steps_per_epoch=null or batching=bucketed"
            )
        if self.shared_rows and (self.combine == "concat" or self.init == "codebook"):
            raise UserError(
                f"probe {self.name!r}: shared_rows={self.shared_rows} keeps the number of parameters, which "
                f"combine={self.combine} with init={self.init} cannot; use combine=sum or attention and "
                "init=random, or shared_rows=null"
            )

    def require_uncapped(self, max_steps: int | None) -> None:
        """Raise UserError for a cap on the steps of a training whose epochs go from short to long utterances.

        A capped epoch ends before the utterances do, see `budget.cap_schedule`.
        """
        if self.batching == "ascending" and max_steps is not None:
            raise UserError(
                f"probe {self.name!r}: trainer.max_steps={max_steps} with batching=ascending would train on "
                "the shortest utterances alone; use trainer.max_steps=null with fewer epochs, or "
                "batching=bucketed"
            )

    def _require_usable(self, name: str, value: object) -> None:
        if not isinstance(value, int | float) or isinstance(value, bool):
            return
        if value < 0 or (value == 0 and name not in MAY_BE_ZERO):
            raise UserError(f"probe {self.name!r}: {name}={value} must be positive")

    def transcriber(
        self,
        spec: TokenizerSpec,  # noqa: ARG002
        units: "Units",  # noqa: ARG002
        table_dim: int | None,  # noqa: ARG002
    ) -> "TranscribingProbe | None":
        """Build the untrained network of an ASR probe whose head comes from outside this package.

        Returns:
            The network; None for the head of this package. Utterances count as feasible for a custom head
            by the rule of the config's base class: CTC's, or attention's for an `AttentionConfig`.
        """
        return None

    @property
    def reader(self) -> str:
        """Description of the probe in a metric's definition: network, output units and decoding."""
        search = "greedy" if self.beam is None else f"prefix beam of {self.beam} without language model"
        return f"BiLSTM CTC over tokens{self._pieces}, {search}"

    @property
    def _pieces(self) -> str:
        return {"bpe": f" to {self.bpe_size} BPE pieces", "characters_31": " to 31 units"}.get(self.units, "")

    @property
    def learning_rates(self) -> tuple[float, ...]:
        """The learning rates to choose from, as a tuple even when there is only one."""
        if isinstance(self.learning_rate, int | float):
            return (self.learning_rate,)
        return tuple(self.learning_rate)

    def upsampling(self, frame_rate: float) -> int:
        """Return the smallest number of repetitions of each frame that reaches `min_frame_rate`.

        A CTC head cannot emit more symbols than frames, and English speech has about 15 characters a second.
        Without this rule a slow tokenizer would be scored on its frame rate. The rule is the same for all
        tokenizers and is part of the probe's definition.
        """
        return max(1, ceil(self.min_frame_rate / frame_rate - 1e-6))

    def batch_frames(self, frame_rate: float) -> int | None:
        """Return `batch_seconds` as a number of frames before upsampling; None without that limit."""
        return None if self.batch_seconds is None else ceil(self.batch_seconds * frame_rate)


@dataclass(frozen=True, kw_only=True)
class AttentionConfig(ProbeConfig):
    """Config of an ASR probe that reads the encoder by attention instead of CTC.

    The decoder is as wide as the encoder: `hidden_dim` is also the width of the decoder's LSTM, of the frames
    it attends to, and of the space in which the two are compared. `embedding_dim` is also the width of its
    label embeddings.
    """

    stacking: int = 2
    """Number of encoder frames stacked to one for attention, which shortens the sequence to search."""
    label_smoothing: float = 0.1
    """Share of the target's probability that training spreads over all labels."""
    max_label_rate: float = 30.0
    """Labels per second at which greedy decoding stops, even if the transcript has not ended."""

    def __post_init__(self) -> None:
        """Run the checks of the base class, and reject values that the attention decoder cannot use."""
        super().__post_init__()
        if self.label_smoothing >= 1:
            raise UserError(f"probe {self.name!r}: label_smoothing={self.label_smoothing} must be below 1")
        if self.beam is not None:
            raise UserError(f"probe {self.name!r}: beam={self.beam} is for CTC; attention needs beam=null")

    @property
    def reader(self) -> str:
        """See `ProbeConfig.reader`."""
        return (
            f"BiLSTM and attention decoder over tokens{self._pieces}, greedy, "
            f"at most {self.max_label_rate:g} labels/s"
        )

    def most_labels(self, seconds: float) -> int:
        """Return the maximum number of labels of greedy decoding for an utterance of `seconds`."""
        return ceil(self.max_label_rate * seconds - 1e-6)


OF_THE_HEAD = {"name", "projection_dim", "select", "units", "bpe_size", "beam"}
"""Fields that may differ between probes that share one encoder and one budget."""


def differences(first: ProbeConfig, second: ProbeConfig) -> list[str]:
    """Return the names of fields in which the encoders or the training budgets of two probes differ."""
    names = (item.name for item in fields(ProbeConfig) if item.name not in OF_THE_HEAD)
    return [name for name in names if getattr(first, name) != getattr(second, name)]
