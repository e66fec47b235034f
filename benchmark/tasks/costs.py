"""The words in which a task says what it will cost, before anything runs."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from torch import nn

from benchmark.data.corpora.base import Corpus
from benchmark.models.probes.config import ProbeConfig
from benchmark.models.vocoder.config import VocoderConfig
from benchmark.tokenizers.base import Tokenizer
from benchmark.types import TokenizerSpec

Ask = Callable[[], object]
"""Looks an artifact up; raises where something is missing."""


@dataclass(frozen=True)
class CostItem:
    """An artifact that jobs need, or the evaluation of a job.

    Attributes:
        key: The same for the same artifact.
        stage: Column of the plan: "codebook", "tokens", "prompts", "vocoder", "probes", "evaluation", or a
            word of the task's own.
        owner: Tokenizer it is made for; empty where all tokenizers share it.
        seconds: Time of one device.
        size: Bytes that stay.
        scratch: Bytes of checkpoints beside it until it is made.
        device: "cpu" or "gpu".
        ask: Whether it is there; None where the rows alone say so.
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
    """What a probe of a task predicts.

    Attributes:
        kind: Part of the probe's key, such as "asr".
        network: Makes the untrained network, so that its parameters can be counted.
        labels_in_manifest: Whether the manifest has all that the labels depend on: the trained probe can
            then be looked up without making labels.
    """

    kind: str
    network: Callable[[TokenizerSpec, ProbeConfig], nn.Module]
    labels_in_manifest: bool = True


class Estimator(Protocol):
    """Answers a task's questions about one job: how much speech there is, and how long things take."""

    tokenizer: Tokenizer
    corpus: Corpus
    max_steps: int | None
    """Cap of every training."""

    def seconds(self, split: str, limit: int | None = None) -> float:
        """Return the seconds of speech in a split, or in the first `limit` utterances of it."""
        ...

    def transcribing(self, checkpoint: str) -> float:
        """Return how many seconds of speech a recogniser hears per second."""
        ...

    def encoding(
        self, split: str, tokenizer: Tokenizer | None = None, limit: int | None = None
    ) -> Iterator[CostItem]:
        """Price the tokens of a split, and the codebook where they depend on a fitted one.

        Args:
            split: Name of the split.
            tokenizer: Another one than the job's.
            limit: Utterances to encode at most.
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
        """Price anything else that is made once for a tokenizer.

        Args:
            stage: Column of the plan.
            seconds: Time of one device.
            size: Bytes that stay.
            content: What it depends on besides tokenizer and seed, JSON-able.
            trained: Whether it is made where trainings run, otherwise where codes are made.
        """
        ...

    def scoring(
        self, split: str = "test", limit: int | None = None, seconds: float = 0.0, size: float = 0.0
    ) -> CostItem:
        """Price the evaluation of the job by the rate of its task.

        Args:
            split: What is scored.
            limit: Utterances at most.
            seconds: Time on top of that rate, such as a recogniser's.
            size: Bytes that stay.
        """
        ...
