"""What a task is: it asks for artifacts, scores utterances and says how sure its numbers are."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import numpy as np
import pandas as pd

from benchmark.data.corpora.base import Corpus
from benchmark.data.manifest import Manifest
from benchmark.errors import UserError, unknown
from benchmark.metrics.reported import MetricInfo, ReportedMetric
from benchmark.metrics.statistics.intervals import METHODS, Bootstrap, Interval, mean_interval
from benchmark.storage.artifacts import ArtifactStore
from benchmark.storage.identity import describe
from benchmark.storage.shards import Part
from benchmark.tasks.costs import CostItem, Estimator
from benchmark.tasks.table_layout import TableLayout
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
        table: The table that its rows stand in; None gives them one of their own.
        reports: Metrics that every run of it reports, by name.
        produces: Kinds of artifacts that it trains, which a later stage awaits.
        reads_features: Whether it can use continuous features in the place of codes.
        labels: Columns of the manifest that it scores by, and the splits that must have them.
    """

    version: ClassVar[int] = 1
    table: ClassVar[TableLayout | None] = None
    reports: ClassVar[Mapping[str, ReportedMetric]] = {}
    produces: ClassVar[tuple[str, ...]] = ("vocoders", "probes")
    reads_features: ClassVar[bool] = False
    labels: ClassVar[Mapping[str, tuple[str, ...]]] = {}

    name: str

    @abstractmethod
    def reads(self, tokenizer: Tokenizer, corpus: Corpus) -> tuple[str, ...]:
        """Splits of the corpus that the numbers of this tokenizer depend on: part of the rows' key."""

    def encodes(self, tokenizer: Tokenizer, corpus: Corpus, store: ArtifactStore) -> list[Encoding]:
        """What `run` needs the codes of, and whose codes."""
        return [(tokenizer, corpus.manifest(split, store)) for split in self.reads(tokenizer, corpus)]

    @property
    def own_metrics(self) -> Mapping[str, ReportedMetric]:
        """Metrics chosen by the config that this task computes, by name."""
        return {}

    def reported(self) -> Mapping[str, ReportedMetric]:
        """All metrics that a run reports with these arguments, by name."""
        return {**self.reports, **self.own_metrics}

    def definitions(self) -> dict[str, MetricInfo]:
        """How tables show what a run reports, by name of the metric: one row each, whatever happens."""
        return {name: metric.facts for name, metric in self.reported().items()}

    def metric_key(self, metric: str) -> str:
        """Digest of what a metric depends on beside the task; empty where the task itself says it all.

        Raises: UserError when a model is missing.
        """
        own = self.own_metrics.get(metric)
        return own.key if own else ""

    def workload(self, cost: Estimator) -> Iterator[CostItem]:
        """Say what one job makes and what that costs, its own evaluation last.

        A task that does not say it is priced by its tokens alone, and plans warn of that.

        Args:
            cost: Answers what splits hold, and how long encoding, training and scoring take.
        """
        for split in dict.fromkeys(self.reads(cost.tokenizer, cost.corpus)):
            yield from cost.encoding(split)

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


def mean_measure(frame: pd.DataFrame, name: str, metric: ReportedMetric, context: RunContext) -> Measure:
    """The mean of the column `name` with its interval; NaN counts as failed."""
    interval = mean_interval(frame[name], clusters(frame, context))
    return Measure(metric=name, interval=interval, definition=metric.definition)


def clusters(frame: pd.DataFrame, context: RunContext) -> np.ndarray | None:
    """What the bootstrap draws for every row: its speaker; None for the row itself."""
    return frame["speaker_id"].to_numpy() if context.bootstrap == "speakers" else None
