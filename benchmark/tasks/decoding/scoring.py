"""Base class of tasks that score decoded speech: choice of metrics, evaluation and its cost."""

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, NamedTuple

import pandas as pd

from benchmark.data.corpora.base import Corpus
from benchmark.data.manifest import Manifest
from benchmark.errors import UserError
from benchmark.metrics.base import Metric, Voice
from benchmark.metrics.evaluation.evaluate import Evaluation, Speech
from benchmark.storage.artifacts import ArtifactStore
from benchmark.storage.shards import Part
from benchmark.tasks.base import Encoding, Measure, RunContext
from benchmark.tasks.costs import CostItem, Estimator
from benchmark.tasks.decoding.base import DecodingTask, count_remarks, first_reasons, interval_of
from benchmark.tasks.decoding.resynthesis import Resynthesis
from benchmark.tasks.metric_choice import chosen_metrics
from benchmark.tokenizers.base import Tokenizer
from benchmark.types import SAMPLE_RATE, Utterance

HALF, FLAC_SHARE = 2, 0.6
"""Bytes of a 16-bit sample, and the share of these bytes that speech takes as FLAC."""


class Decoded(NamedTuple):
    """Speech to score, with the recordings that metrics compare the speech with.

    Attributes:
        originals: Recordings that were encoded.
        audio: Speech that was decoded from them.
        prompts: Recording of the requested voice, by id of the original.
    """

    originals: Manifest
    audio: Resynthesis
    prompts: dict[str, Utterance]


def metrics_of_kind(
    metrics: Mapping[str, object], task: type["ScoringTask"], name: str | None = None
) -> dict[str, Metric]:
    """Select the metrics that apply to speech decoded by a task.

    Args:
        metrics: All metrics of the config group `metric`, by name.
        task: Class of the task.
        name: Name of the task in its yaml; None for the name of its kind alone.

    Raises: UserError for a value that is no metric, or for `tasks` with a misspelled kind.
    """
    kinds = (task.kind,) if name is None else (task.kind, name)
    chosen = chosen_metrics(metrics, Metric, kinds)  # type: ignore[type-abstract]
    heard = ("any", task.voice)
    return {name: metric for name, metric in chosen.items() if metric.tasks or metric.voice in heard}


@dataclass(kw_only=True)
class ScoringTask(DecodingTask):
    """Base class of tasks that score decoded speech.

    Attributes:
        kind: Name of this kind of task in the `tasks` of metrics.
        voice: "kept" if decoded speech has the voice of the original, "changed" if it has the prompt's.
        prompted: Whether metrics compare decoded speech with the prompts.
        metrics: Metrics by the name of their column; metrics for other kinds of tasks are left out.
    """

    labels: ClassVar[Mapping[str, tuple[str, ...]]] = {"text": ("test",)}
    kind: ClassVar[str]
    voice: ClassVar[Voice] = "kept"
    prompted: ClassVar[bool]

    metrics: dict[str, Metric]

    def __post_init__(self) -> None:
        """Raise UserError where none of the metrics applies to the decoded speech of this task."""
        if not self.own_metrics:
            raise UserError(
                f"none of the metrics {', '.join(self.metrics) or '(none)'} is one of {self.kind}. "
                "Choose others by metric=survey, or by metric=[…] from conf/metric"
            )

    @cached_property
    def own_metrics(self) -> dict[str, Metric]:
        """Metrics of decoded speech that apply to this task, by name."""
        return metrics_of_kind(self.metrics, type(self), self.name)

    def scoring_cost(self, cost: Estimator) -> CostItem:
        """Price the evaluation, with the time of each distinct recogniser and the bytes of decoded speech."""
        recognisers = {
            getattr(need, "checkpoint", "")
            for metric in self.own_metrics.values()
            for side, need in metric.needs()
            if side == "decoded" and need.kind == "transcripts"
        }
        speech = cost.seconds("test", self.limit)
        heard = sum(speech / cost.transcribing(checkpoint) for checkpoint in sorted(recognisers))
        return cost.scoring(limit=self.limit, seconds=heard, size=speech * SAMPLE_RATE * HALF * FLAC_SHARE)

    def metric_key(self, metric: str) -> str:
        """See `Task.metric_key`."""
        return self.own_metrics[metric.partition("/")[0]].key

    def identity(self, tokenizer: Tokenizer, corpus: Corpus, context: RunContext) -> dict[str, Any]:
        """Drop `metrics` from the base class's identity: each row has the key of its own metric."""
        content = super().identity(tokenizer, corpus, context)
        del content["metrics"]
        return content

    def encodes(self, tokenizer: Tokenizer, corpus: Corpus, store: ArtifactStore) -> list[Encoding]:
        """Return the encodings of the base class and of the sources; none if the task does not apply."""
        sources = self.sources(tokenizer, corpus, store)
        if sources is None:
            return []
        return [*super().encodes(tokenizer, corpus, store), (tokenizer, sources)]

    @abstractmethod
    def sources(self, tokenizer: Tokenizer, corpus: Corpus, store: ArtifactStore) -> Manifest | None:
        """Return the utterances to decode; None where the task does not apply to the tokenizer."""

    @abstractmethod
    def decode(
        self, tokenizer: Tokenizer, corpus: Corpus, context: RunContext, part: Part | None = None
    ) -> Decoded | None:
        """Decode the sources, or one part of them; None where there are no sources."""

    def score_part(self, tokenizer: Tokenizer, corpus: Corpus, context: RunContext, part: Part) -> None:
        """See `Task.score_part`."""
        if decoded := self.decode(tokenizer, corpus, context, part):
            self.evaluate(decoded, context)

    def evaluate(self, decoded: Decoded, context: RunContext) -> pd.DataFrame:
        """Score every utterance, see `Evaluation`, and add the transcripts in the column `reference`."""
        evaluation = Evaluation(context.store, context.device, context.processes, context.progress)
        speech = Speech(
            originals=decoded.originals,
            decoded=decoded.audio.files,
            failures=decoded.audio.failures,
            source=decoded.audio.folder.name,
            prompts=decoded.prompts if self.prompted else {},
        )
        frame = evaluation(speech, self.own_metrics)
        frame.insert(2, "reference", pd.Series([u.text for u in decoded.originals], dtype=object))
        return frame

    def goodness(self, frame: pd.DataFrame) -> pd.Series | None:
        """Return the scores by utterance of the first metric with a direction, signed so that more is better.

        None where no metric has a direction.
        """
        for name, metric in self.own_metrics.items():
            if metric.facts.higher_is_better is not None:
                return frame.set_index("utterance_id")[name] * (1 if metric.facts.higher_is_better else -1)
        return None

    def measures(self, frame: pd.DataFrame, context: RunContext) -> list[Measure]:
        """Return every metric over the utterances of a frame."""
        return [
            Measure(
                metric=name,
                interval=interval_of(frame, name, metric.facts.within, context),
                definition=metric.definition,
                reasons=first_reasons(frame, name),
                remark=count_remarks(frame, name, metric.remarked),
            )
            for name, metric in self.own_metrics.items()
        ]
