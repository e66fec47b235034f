"""What reconstruction and voice conversion have in common: who decodes, and metrics of what is decoded."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import pandas as pd

from benchmark.data.corpus import Corpus
from benchmark.data.manifest import Manifest
from benchmark.errors import UserError
from benchmark.evaluation.evaluate import Evaluation, Speech
from benchmark.metrics.base import TASKS, Metric
from benchmark.metrics.definitions import Definition
from benchmark.metrics.statistics import Interval, ratio_interval
from benchmark.tasks.base import Measure, Setting, Task, clusters
from benchmark.tasks.resynthesis import Decoder, Resynthesis, decoding_splits, uses_vocoder
from benchmark.tokenizers.base import Tokenizer
from benchmark.types import Utterance
from benchmark.vocoder.config import VocoderConfig


@dataclass(kw_only=True)
class DecodingTask(Task):
    """A task that turns codes back into speech and scores that.

    Attributes:
        kind: What metrics call it in their `tasks`.
        metrics: By the name of their column; those of another kind of task are left out.
        vocoder: Of tokenizers without a decoder, or of all.
        decoder: Whether a tokenizer's own decoder speaks or the vocoder, see `uses_vocoder`.
        limit: Utterances of the test split to decode; None for all.
    """

    labels: ClassVar[Mapping[str, tuple[str, ...]]] = {"text": ("test",)}
    kind: ClassVar[str]

    metrics: dict[str, Metric]
    vocoder: VocoderConfig
    decoder: Decoder = "auto"
    limit: int | None = None

    def __post_init__(self) -> None:
        assert self.kind in TASKS
        wrong = [name for name, metric in self.metrics.items() if not isinstance(metric, Metric)]
        if wrong:
            raise UserError(f"metric={', '.join(wrong)}: no metric; each key of the group `metric` holds one")

    @cached_property
    def own_metrics(self) -> dict[str, Metric]:
        """Those that have a meaning here.

        Raises: UserError when there is none.
        """
        own = {name: metric for name, metric in self.metrics.items() if self.kind in metric.tasks}
        if not own:
            raise UserError(
                f"none of the metrics {', '.join(self.metrics) or '(none)'} is one of {self.kind}. "
                "Choose others by metric=survey, or by metric=[…] from conf/metric"
            )
        return own

    def definitions(self) -> dict[str, Definition]:
        """See `Task.definitions`."""
        return {name: metric.facts for name, metric in self.own_metrics.items()}

    def metric_key(self, metric: str) -> str:
        """See `Task.metric_key`."""
        return self.own_metrics[metric.partition("/")[0]].key

    def reads(self, tokenizer: Tokenizer, corpus: Corpus) -> tuple[str, ...]:
        """See `Task.reads`."""
        prompts = (corpus.prompt_split,) if corpus.prompt_split else ()
        return (*decoding_splits(tokenizer, self.decoder), *prompts)

    def variant(self, tokenizer: Tokenizer) -> str:
        """The word "vocoder" where that decodes in place of the tokenizer's own decoder."""
        by_vocoder = uses_vocoder(tokenizer, self.decoder)
        return "vocoder" if by_vocoder and tokenizer.spec.can_decode else ""

    def identity(self, tokenizer: Tokenizer, corpus: Corpus, setting: Setting) -> dict[str, Any]:
        """As the base class, with what `decoder` means for this tokenizer: two words for it are one job.

        Metrics are no part of it: each row has the key of its own.
        """
        resolved = {"decoder": "vocoder"}
        if not uses_vocoder(tokenizer, self.decoder):
            resolved = {"decoder": "own", **tokenizer.decoder_identity()}
        content = super().identity(tokenizer, corpus, setting)
        del content["metrics"]
        return content | resolved

    def evaluate(
        self, originals: Manifest, audio: Resynthesis, prompts: Mapping[str, Utterance], setting: Setting
    ) -> pd.DataFrame:
        """Scores by utterance, see `Evaluation`."""
        evaluation = Evaluation(setting.store, setting.device, setting.processes, setting.progress)
        speech = Speech(
            originals=originals,
            decoded=audio.files,
            failures=audio.failures,
            source=audio.folder.name,
            prompts=prompts,
        )
        return evaluation(speech, self.own_metrics)

    def measures(self, frame: pd.DataFrame, setting: Setting) -> list[Measure]:
        """Every metric over the utterances of a frame."""
        return [
            Measure(metric=name, interval=interval_of(frame, name, setting), definition=metric.definition)
            for name, metric in self.own_metrics.items()
        ]


def interval_of(frame: pd.DataFrame, metric: str, setting: Setting) -> Interval:
    """A metric over many utterances: Σ weight × value / Σ weight, and its interval."""
    values = frame[metric]
    weights = frame[f"{metric}:weight"] if f"{metric}:weight" in frame else values.notna().astype(float)
    return ratio_interval(values * weights, weights.where(values.notna()), clusters(frame, setting))
