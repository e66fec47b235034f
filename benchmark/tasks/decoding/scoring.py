"""What reconstruction and voice conversion have in common: metrics of what is decoded."""

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, NamedTuple

import pandas as pd

from benchmark.data.corpora.base import Corpus
from benchmark.data.manifest import Manifest
from benchmark.errors import UserError
from benchmark.metrics.base import Metric
from benchmark.metrics.definitions import MetricInfo
from benchmark.metrics.evaluation.evaluate import Evaluation, Speech
from benchmark.storage.artifacts import ArtifactStore
from benchmark.storage.shards import Part
from benchmark.tasks.base import Encoding, Measure, RunContext
from benchmark.tasks.decoding.base import DecodingTask, interval_of
from benchmark.tasks.decoding.resynthesis import Resynthesis
from benchmark.tokenizers.base import Tokenizer
from benchmark.types import Utterance


class Decoded(NamedTuple):
    """Speech to score.

    Attributes:
        originals: What was encoded.
        audio: What was decoded of it.
        prompts: Recording whose voice was asked for, by id of the original.
    """

    originals: Manifest
    audio: Resynthesis
    prompts: dict[str, Utterance]


@dataclass(kw_only=True)
class ScoringTask(DecodingTask):
    """A task that scores decoded speech.

    Attributes:
        kind: What metrics call it in their `tasks`.
        prompted: Whether metrics compare with the prompts.
        metrics: By the name of their column; those that are not of this kind of task are left out.
    """

    labels: ClassVar[Mapping[str, tuple[str, ...]]] = {"text": ("test",)}
    kind: ClassVar[str]
    prompted: ClassVar[bool]

    metrics: dict[str, Metric]

    def __post_init__(self) -> None:
        wrong = [name for name, metric in self.metrics.items() if not isinstance(metric, Metric)]
        if wrong:
            raise UserError(f"metric={', '.join(wrong)}: no metric; each key of the group `metric` holds one")
        if not self.own_metrics:
            raise UserError(
                f"none of the metrics {', '.join(self.metrics) or '(none)'} is one of {self.kind}. "
                "Choose others by metric=survey, or by metric=[…] from conf/metric"
            )

    @cached_property
    def own_metrics(self) -> dict[str, Metric]:
        """Those that have a meaning here."""
        return {name: metric for name, metric in self.metrics.items() if self.kind in metric.tasks}

    def definitions(self) -> dict[str, MetricInfo]:
        """See `Task.definitions`."""
        return {name: metric.facts for name, metric in self.own_metrics.items()}

    def metric_key(self, metric: str) -> str:
        """See `Task.metric_key`."""
        return self.own_metrics[metric.partition("/")[0]].key

    def identity(self, tokenizer: Tokenizer, corpus: Corpus, context: RunContext) -> dict[str, Any]:
        """As the base class, without the metrics: each row has the key of its own."""
        content = super().identity(tokenizer, corpus, context)
        del content["metrics"]
        return content

    def encodes(self, tokenizer: Tokenizer, corpus: Corpus, store: ArtifactStore) -> list[Encoding]:
        """As the base class, and what is decoded."""
        sources = self.sources(tokenizer, corpus, store)
        if sources is None:
            return []
        return [*super().encodes(tokenizer, corpus, store), (tokenizer, sources)]

    @abstractmethod
    def sources(self, tokenizer: Tokenizer, corpus: Corpus, store: ArtifactStore) -> Manifest | None:
        """What is decoded; None where the task does not apply to the tokenizer."""

    @abstractmethod
    def decode(
        self, tokenizer: Tokenizer, corpus: Corpus, context: RunContext, part: Part | None = None
    ) -> Decoded | None:
        """What is scored, all of it or a part; None where there are no sources."""

    def score_part(self, tokenizer: Tokenizer, corpus: Corpus, context: RunContext, part: Part) -> None:
        """See `Task.score_part`."""
        if decoded := self.decode(tokenizer, corpus, context, part):
            self.evaluate(decoded, context)

    def evaluate(self, decoded: Decoded, context: RunContext) -> pd.DataFrame:
        """Scores by utterance, see `Evaluation`, with what is said in it."""
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
        """Scores by utterance of the first metric that has a direction, higher where better."""
        for name, metric in self.own_metrics.items():
            if metric.facts.higher_is_better is not None:
                return frame.set_index("utterance_id")[name] * (1 if metric.facts.higher_is_better else -1)
        return None

    def measures(self, frame: pd.DataFrame, context: RunContext) -> list[Measure]:
        """Every metric over the utterances of a frame."""
        return [
            Measure(metric=name, interval=interval_of(frame, name, context), definition=metric.definition)
            for name, metric in self.own_metrics.items()
        ]
