"""What tasks that score decoded speech have in common: metrics of what is decoded."""

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
from benchmark.tasks.decoding.base import DecodingTask, interval_of
from benchmark.tasks.decoding.resynthesis import Resynthesis
from benchmark.tasks.metric_choice import chosen_metrics
from benchmark.tokenizers.base import Tokenizer
from benchmark.types import SAMPLE_RATE, Utterance

HALF, FLAC_SHARE = 2, 0.6
"""Bytes of a 16-bit sample, and the share of them that speech takes as FLAC."""


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
        voice: Whether decoded speech keeps the voice of the original, or has it changed for the prompt's.
        prompted: Whether metrics compare with the prompts.
        metrics: By the name of their column; those that are not of this kind of task are left out.
    """

    labels: ClassVar[Mapping[str, tuple[str, ...]]] = {"text": ("test",)}
    kind: ClassVar[str]
    voice: ClassVar[Voice] = "kept"
    prompted: ClassVar[bool]

    metrics: dict[str, Metric]

    def __post_init__(self) -> None:
        """Raise UserError where none of the metrics is one of decoded speech as this task makes it."""
        if not self.own_metrics:
            raise UserError(
                f"none of the metrics {', '.join(self.metrics) or '(none)'} is one of {self.kind}. "
                "Choose others by metric=survey, or by metric=[…] from conf/metric"
            )

    @cached_property
    def own_metrics(self) -> dict[str, Metric]:
        """Those that have a meaning here."""
        kinds = self.kind, self.name
        chosen = chosen_metrics(self.metrics, Metric, kinds)  # type: ignore[type-abstract]
        return {name: metric for name, metric in chosen.items() if metric.tasks or self._hears(metric)}

    def _hears(self, metric: Metric) -> bool:
        return metric.voice in ("any", self.voice)

    def scoring_cost(self, cost: Estimator) -> CostItem:
        """As the base class, with the recognisers, each once, and the decoded speech on the disk."""
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
