"""Types in which a task states its cost before anything runs: cost items, and the estimator."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from torch import nn

from benchmark.data.corpora.base import Corpus
from benchmark.models.probes.config import ProbeConfig
from benchmark.models.vocoder.config import VocoderConfig
from benchmark.tokenizers.base import Tokenizer
from benchmark.types import TokenizerSpec

if TYPE_CHECKING:  # every task imports this module, and most train no probe
    from benchmark.models.probes.targets import Target

Ask = Callable[[], object]
"""Looks an artifact up in the store; raises an exception where something is missing."""


@dataclass(frozen=True)
class CostItem:
    """An artifact that jobs need, or the evaluation of a job.

    Attributes:
        key: Identity of the artifact; equal keys mean one artifact, which is counted once.
        stage: Column of the plan: "codebook", "tokens", "prompts", "vocoder", "probes", "evaluation", or a
            name of the task's own.
        owner: Tokenizer that the artifact is made for; empty where all tokenizers share the artifact.
        seconds: Time on one device.
        size: Bytes on disk once the artifact is complete.
        scratch: Bytes of checkpoints on disk while the artifact is in the making.
        device: "cpu" or "gpu".
        ask: Looks the artifact up in the store; None where only rows show that the work is done.
    """

    key: str
    stage: str
    owner: str
    seconds: float
    size: float = 0.0
    scratch: float = 0.0
    device: str = "cpu"
    ask: Ask | None = field(default=None, compare=False)


class ProbeHead(NamedTuple):
    """Prediction target of a probe, and the network that predicts the target.

    Attributes:
        target: Labels and scoring of the target.
        network: Builds the untrained network, so that its parameters can be counted.
        labels_in_manifest: Whether the labels depend on the manifest alone; the trained probe can then be
            looked up without making labels.
    """

    target: "type[Target]"
    network: Callable[[TokenizerSpec, ProbeConfig], nn.Module]
    labels_in_manifest: bool = True

    @property
    def kind(self) -> str:
        """Name of the target, such as "asr"; part of the probe's key."""
        return self.target.kind


class Estimator(Protocol):
    """Estimates for one job: seconds of speech, and the cost of encoding, training and scoring."""

    tokenizer: Tokenizer
    corpus: Corpus
    max_steps: int | None
    """Maximum number of steps of every training; None for no cap."""

    def seconds(self, split: str, limit: int | None = None) -> float:
        """Return the seconds of speech in a split, or in its first `limit` utterances."""
        ...

    def transcribing(self, checkpoint: str) -> float:
        """Return the speed of a recogniser in seconds of speech per second of computation."""
        ...

    def encoding(
        self, split: str, tokenizer: Tokenizer | None = None, limit: int | None = None
    ) -> Iterator[CostItem]:
        """Price the tokens of a split, and the codebook where the tokenizer has to fit one.

        Args:
            split: Name of the split.
            tokenizer: Tokenizer to encode with; None for the job's.
            limit: Maximum number of utterances to encode; None for all.
        """
        ...

    def vocoder(self, source: Tokenizer, config: VocoderConfig) -> Iterator[CostItem]:
        """Price a vocoder for the codes of `source`, and the prompt features kept for its training."""
        ...

    def probe(self, config: ProbeConfig, head: ProbeHead) -> CostItem:
        """Price a probe for the codes of the job's tokenizer."""
        ...

    def artifact(
        self, stage: str, seconds: float, size: float = 0.0, content: Any = None, trained: bool = False
    ) -> CostItem:
        """Price any other artifact that is made once for a tokenizer.

        Args:
            stage: Column of the plan.
            seconds: Time on one device.
            size: Bytes on disk once the artifact is complete.
            content: Everything that the artifact depends on besides tokenizer and seed, JSON-able.
            trained: Whether the artifact is made on the device that trains; otherwise, on the device that
                encodes.
        """
        ...

    def scoring(
        self, split: str = "test", limit: int | None = None, seconds: float = 0.0, size: float = 0.0
    ) -> CostItem:
        """Price the evaluation of the job by the rate of its task.

        Args:
            split: Split that is scored.
            limit: Maximum number of utterances; None for all.
            seconds: Time on top of that rate, such as a recogniser's.
            size: Bytes on disk afterwards.
        """
        ...
