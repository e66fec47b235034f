"""What a task is: it asks for artifacts, scores utterances and says how sure its numbers are."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import numpy as np
import pandas as pd

from benchmark.data.corpora.base import Corpus
from benchmark.data.manifest import Manifest
from benchmark.errors import UserError, unknown
from benchmark.metrics.definitions import DEFINITIONS, MetricInfo
from benchmark.metrics.statistics.intervals import METHODS, Bootstrap, Interval, mean_interval
from benchmark.storage.artifacts import ArtifactStore
from benchmark.storage.identity import describe
from benchmark.storage.shards import Part
from benchmark.tokenizers.base import Tokenizer
from benchmark.training.trainer import TrainerConfig

Status = Literal["ok", "NC", "failed", "n/a"]
Encoding = tuple[Tokenizer, Manifest]


@dataclass(frozen=True, kw_only=True)
class RunContext:
    """Where and how tasks run; what changes a number here is part of the rows' key."""

    store: ArtifactStore
    trainer: TrainerConfig
    seed: int = 0
    device: str = "cpu"
    processes: int = 1
    progress: bool = False
    bootstrap: Bootstrap = "speakers"
    """Unit of chance of the intervals; the one thing here that changes numbers, the bounds."""

    def __post_init__(self) -> None:
        if self.bootstrap not in METHODS:
            raise unknown("bootstrap", self.bootstrap, METHODS)


@dataclass(frozen=True, kw_only=True)
class Measure:
    """One metric over all utterances of a task, with the sentence that says how it was taken."""

    metric: str
    interval: Interval
    definition: str


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a task leaves behind for the rows."""

    measures: list[Measure] = field(default_factory=list)
    utterances: pd.DataFrame = field(default_factory=pd.DataFrame)
    """Scores by utterance, or the counts behind them; kept in Parquet."""
    decoder: str = "none"
    status: Status = "ok"
    reason: str = ""
    notes: dict[str, Any] = field(default_factory=dict)
    """Evidence: curve of an NC run, infeasible share, chance level, first failure reasons."""
    statuses: dict[str, tuple[Status, str]] = field(default_factory=dict)
    """Status and reason of single metrics, where they differ from the outcome's."""
    lists: dict[str, str] = field(default_factory=dict)
    """Texts for the results folder that are the same for every tokenizer, by path."""
    audio: dict[str, bytes] = field(default_factory=dict)
    """WAV files to listen to, by name; kept beside the rows."""


@dataclass(kw_only=True)
class Task(ABC):
    """Base of every task; its fields are the keys of its yaml.

    Attributes:
        version: Raise it when the code changes what the numbers mean: rows are then made again.
        reports: Names of the metrics that every run of it reports, keys of `DEFINITIONS`.
        reads_features: Whether it can use continuous features in the place of codes.
        labels: Columns of the manifest that it scores by, and the splits that must have them.
    """

    version: ClassVar[int] = 1
    reports: ClassVar[tuple[str, ...]] = ()
    reads_features: ClassVar[bool] = False
    labels: ClassVar[Mapping[str, tuple[str, ...]]] = {}

    name: str

    @abstractmethod
    def reads(self, tokenizer: Tokenizer, corpus: Corpus) -> tuple[str, ...]:
        """Splits of the corpus that the numbers of this tokenizer depend on: part of the rows' key."""

    def encodes(self, tokenizer: Tokenizer, corpus: Corpus, store: ArtifactStore) -> list[Encoding]:
        """What `run` needs the codes of, and whose codes."""
        return [(tokenizer, corpus.manifest(split, store)) for split in self.reads(tokenizer, corpus)]

    def definitions(self) -> dict[str, MetricInfo]:
        """Metrics that a run reports with these arguments, by name: one row each, whatever happens."""
        return {name: DEFINITIONS[name] for name in self.reports}

    def metric_key(self, metric: str) -> str:  # noqa: ARG002
        """Digest of what a metric depends on beside the task; empty where the task itself says it all.

        Raises: UserError when a model is missing.
        """
        return ""

    def variant(self, tokenizer: Tokenizer) -> str:  # noqa: ARG002
        """What sets the rows apart from the tokenizer's usual ones, which then stay; empty for those.

        Raises: UserError for arguments that this tokenizer cannot have.
        """
        return ""

    def identity(self, tokenizer: Tokenizer, corpus: Corpus, context: RunContext) -> dict[str, Any]:  # noqa: ARG002
        """Everything of the task that the numbers depend on, JSON-able: part of the rows' key."""
        return describe(self) | {"version": self.version}

    @abstractmethod
    def run(self, tokenizer: Tokenizer, corpus: Corpus, context: RunContext) -> Outcome:
        """Score one tokenizer on one corpus.

        Args:
            tokenizer: With its codebook, where it needs one.
            corpus: Whose splits are read.
            context: Where and how to run.

        Raises: UserError when the corpus or a model is missing.
        """

    def train(self, tokenizer: Tokenizer, corpus: Corpus, context: RunContext) -> None:  # noqa: B027
        """Train what `run` needs, and leave it in the store; some tasks train nothing."""

    def score_part(self, tokenizer: Tokenizer, corpus: Corpus, context: RunContext, part: Part) -> None:  # noqa: ARG002
        """Score one part of the utterances and leave the scores in the store.

        Raises: UserError where the task cannot be divided.
        """
        raise UserError(f"task={self.name} is not scored by parts; leave part={part} out")


def failure_reasons(frame: pd.DataFrame, most: int = 5) -> list[str]:
    """The first few distinct reasons in the column `failure`."""
    return [str(reason) for reason in frame["failure"].dropna().unique()[:most]]


def not_applicable(reason: str) -> Outcome:
    """An outcome without numbers: the task does not apply to this tokenizer."""
    return Outcome(status="n/a", reason=reason)


def mean_measure(frame: pd.DataFrame, metric: str, context: RunContext) -> Measure:
    """The mean of a metric's column with its interval; NaN counts as failed."""
    interval = mean_interval(frame[metric], clusters(frame, context))
    return Measure(metric=metric, interval=interval, definition=DEFINITIONS[metric].definition)


def clusters(frame: pd.DataFrame, context: RunContext) -> np.ndarray | None:
    """What the bootstrap draws for every row: its speaker; None for the row itself."""
    return frame["speaker_id"].to_numpy() if context.bootstrap == "speakers" else None
