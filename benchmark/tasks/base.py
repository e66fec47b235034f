"""Base class of the tasks, and the values that tasks exchange with jobs.

A task requests artifacts from the store, scores utterances, and reports metrics with intervals.
"""

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
from benchmark.metrics.statistics.intervals import METHODS, Interval, IntervalUnit, mean_interval
from benchmark.storage.artifacts import ArtifactStore
from benchmark.storage.identity import describe
from benchmark.storage.shards import Part
from benchmark.tasks.costs import CostItem, Estimator
from benchmark.tasks.table_layout import TableLayout
from benchmark.tokenizers.base import Tokenizer
from benchmark.training.config import TrainerConfig
from benchmark.types import TokenizerSpec

Status = Literal["ok", "NC", "failed", "n/a"]
Encoding = tuple[Tokenizer, Manifest]


@dataclass(frozen=True, kw_only=True)
class RunContext:
    """Store, trainer, seed, device and other settings of a run, shared by all tasks.

    Settings that change a number are part of the rows' key.
    """

    store: ArtifactStore
    trainer: TrainerConfig
    seed: int = 0
    device: str = "cpu"
    processes: int = 1
    progress: bool = False
    interval_unit: IntervalUnit = "speakers"
    """Unit that intervals take as independent; affects their bounds only."""

    def __post_init__(self) -> None:
        if self.interval_unit not in METHODS:
            raise unknown("interval_unit", self.interval_unit, METHODS)

    @property
    def trainer_key(self) -> dict[str, Any]:
        """Part of the key of everything trained: kind and number of devices, threads; empty by default."""
        trainer = self.trainer.identity()
        return {"trainer": trainer} if trainer else {}


@dataclass(frozen=True, kw_only=True)
class Measure:
    """Value and interval of one metric over all utterances of a task, with the metric's definition.

    Attributes:
        reasons: Why utterances have no score by this metric; without any, those of the outcome hold.
        remark: How often something happened on the way to the scores; empty if nothing did.
    """

    metric: str
    interval: Interval
    definition: str
    reasons: list[str] = field(default_factory=list)
    remark: str = ""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """Result of a run of a task, from which the job writes rows and files."""

    measures: list[Measure] = field(default_factory=list)
    utterances: pd.DataFrame = field(default_factory=pd.DataFrame)
    """Scores by utterance, or the counts behind them; written as Parquet."""
    decoder: str = "none"
    status: Status = "ok"
    reason: str = ""
    """Reason of the status; with status "ok", a remark that belongs beside the numbers."""
    notes: dict[str, Any] = field(default_factory=dict)
    """Evidence, JSON-able: curve of an NC run, infeasible share, chance level, first failure reasons."""
    statuses: dict[str, tuple[Status, str]] = field(default_factory=dict)
    """Status and reason by metric, for metrics that differ from the outcome's own status."""
    lists: dict[str, str] = field(default_factory=dict)
    """Texts by path in the results folder, such as lists of pairs; the same for every tokenizer."""
    audio: dict[str, bytes] = field(default_factory=dict)
    """WAV files of audio examples by file name; written beside the rows."""


@dataclass(kw_only=True)
class Task(ABC):
    """Base of every task; its fields are the keys of its yaml.

    Attributes:
        version: Raise this number when a code change alters the meaning of the scores: the rows are then
            computed again.
        table: Table that shows the task's rows; None gives the task a table of its own.
        reports: Metrics that every run of the task reports, by name.
        produces: Kinds of artifacts that the task trains; a later stage waits for them.
        reads_features: Whether the task can use continuous features in place of codes.
        labels: Columns of the manifest that the task scores against, each with the splits that must have it.
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
        """Return the splits that the numbers of this tokenizer depend on: part of the rows' key."""

    def can_read(self, spec: TokenizerSpec) -> bool:
        """Return whether the task can use the codes of this tokenizer, be they indices or features."""
        return self.reads_features or not spec.continuous

    def lacks(self) -> Iterator[str]:
        """Yield in a sentence each file that the settings of the task name and this machine does not have."""
        yield from ()

    def trains(self, tokenizer: Tokenizer) -> bool:  # noqa: ARG002
        """Return whether the numbers of this tokenizer depend on a training.

        The rows' key then holds what `TrainerConfig.identity` returns.
        """
        return bool(self.produces)

    def encodes(self, tokenizer: Tokenizer, corpus: Corpus, store: ArtifactStore) -> list[Encoding]:
        """Return each tokenizer and manifest whose codes `run` needs."""
        return [(tokenizer, corpus.manifest(split, store)) for split in self.reads(tokenizer, corpus)]

    @property
    def own_metrics(self) -> Mapping[str, ReportedMetric]:
        """Metrics of the config group `metric` that this task computes, by name."""
        return {}

    def reported(self) -> Mapping[str, ReportedMetric]:
        """Return all metrics that a run of this task reports, by name."""
        return {**self.reports, **self.own_metrics}

    def definitions(self) -> dict[str, MetricInfo]:
        """Return label, unit and definition of every reported metric, by name.

        A run writes one row for each of these metrics, also when the metric has no value.
        """
        return {name: metric.facts for name, metric in self.reported().items()}

    def metric_key(self, metric: str) -> str:
        """Return the digest of everything that a metric depends on besides the task.

        The digest is empty where the identity of the task covers the metric.

        Raises: UserError when a model is missing.
        """
        own = self.own_metrics.get(metric)
        return own.key if own else ""

    def workload(self, cost: Estimator) -> Iterator[CostItem]:
        """Yield the artifacts of one job with their costs, the job's own evaluation last.

        A task without this method is priced by its tokens alone, and plans warn about that.

        Args:
            cost: Estimator of the speech in each split, and of the times of encoding, training and scoring.
        """
        for split in dict.fromkeys(self.reads(cost.tokenizer, cost.corpus)):
            yield from cost.encoding(split)

    def variant(self, tokenizer: Tokenizer) -> str:  # noqa: ARG002
        """Return a name for rows that stand beside the tokenizer's default rows; empty for the default rows.

        Rows of a named variant do not replace the default rows.

        Raises: UserError for arguments that this tokenizer cannot have.
        """
        return ""

    def identity(self, tokenizer: Tokenizer, corpus: Corpus, context: RunContext) -> dict[str, Any]:  # noqa: ARG002
        """Return every argument of the task that the numbers depend on, JSON-able: part of the rows' key."""
        return describe(self) | {"version": self.version}

    @abstractmethod
    def run(self, tokenizer: Tokenizer, corpus: Corpus, context: RunContext) -> Outcome:
        """Score one tokenizer on one corpus.

        Args:
            tokenizer: The tokenizer, with a fitted codebook if the tokenizer needs one.
            corpus: Corpus that the splits come from.
            context: Store, trainer, seed and device of the run.

        Raises: UserError when the corpus or a model is missing.
        """

    def train(self, tokenizer: Tokenizer, corpus: Corpus, context: RunContext) -> None:  # noqa: B027
        """Train the models that `run` needs, and keep them in the store; the base class trains nothing."""

    def score_part(self, tokenizer: Tokenizer, corpus: Corpus, context: RunContext, part: Part) -> None:  # noqa: ARG002
        """Score one part of the utterances, and keep the scores in the store.

        Raises: UserError where the task cannot be divided into parts.
        """
        raise UserError(f"task={self.name} is not scored by parts; leave part={part} out")


def failure_reasons(frame: pd.DataFrame, most: int = 5) -> list[str]:
    """Return the first `most` distinct reasons in the column `failure`."""
    return [str(reason) for reason in frame["failure"].dropna().unique()[:most]]


def not_applicable(reason: str) -> Outcome:
    """Return an outcome without numbers, for a tokenizer that the task does not apply to."""
    return Outcome(status="n/a", reason=reason)


def mean_measure(frame: pd.DataFrame, name: str, metric: ReportedMetric, context: RunContext) -> Measure:
    """Return the mean of the column `name` with its interval; NaN counts as failed."""
    interval = mean_interval(frame[name], clusters(frame, context), metric.facts.within)
    return Measure(metric=name, interval=interval, definition=metric.definition)


def clusters(frame: pd.DataFrame, context: RunContext) -> np.ndarray | None:
    """Return the speaker of every row as the independent unit, (rows,); None where each row is one."""
    return frame["speaker_id"].to_numpy() if context.interval_unit == "speakers" else None
