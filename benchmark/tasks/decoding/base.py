"""Base class of tasks that turn codes back into speech: choice, training and cost of the decoder."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import pandas as pd

from benchmark.data.corpora.base import Corpus
from benchmark.metrics.evaluation.reasons import ABSTAINED, FAILED, reasons_of
from benchmark.metrics.statistics.bounds import Range
from benchmark.metrics.statistics.intervals import Interval, ratio_interval
from benchmark.models.vocoder.config import VocoderConfig
from benchmark.storage.artifacts import ArtifactStore
from benchmark.tasks.base import Encoding, RunContext, Task, clusters
from benchmark.tasks.costs import CostItem, Estimator
from benchmark.tasks.decoding.trained_vocoder import (
    Decoder,
    can_vocode,
    decoding_splits,
    trained_vocoder,
    uses_vocoder,
)
from benchmark.tokenizers.base import Tokenizer
from benchmark.types import TokenizerSpec


@dataclass(kw_only=True)
class DecodingTask(Task):
    """Base class of the tasks that decode codes into speech.

    Attributes:
        vocoder: Vocoder for tokenizers without a decoder of their own, or for all tokenizers.
        decoder: Choice between a tokenizer's own decoder and the vocoder, see `uses_vocoder`.
        limit: Maximum number of test utterances to decode; None for all.
    """

    produces: ClassVar[tuple[str, ...]] = ("vocoders",)

    vocoder: VocoderConfig
    decoder: Decoder = "auto"
    limit: int | None = None

    def reads(self, tokenizer: Tokenizer, corpus: Corpus) -> tuple[str, ...]:
        """See `Task.reads`."""
        prompts = (corpus.prompt_split,) if corpus.prompt_split else ()
        return (*decoding_splits(tokenizer, self.decoder), *prompts)

    def can_read(self, spec: TokenizerSpec) -> bool:
        """Add features that the tokenizer's own decoder decodes; the vocoder takes indices alone."""
        return super().can_read(spec) or spec.can_decode

    def why_not(self, tokenizer: Tokenizer) -> str:
        """Return the reason why the task does not apply to a tokenizer; empty where it applies."""
        return "" if tokenizer.spec.bitrate else "its codes carry no information to decode"

    def encodes(self, tokenizer: Tokenizer, corpus: Corpus, store: ArtifactStore) -> list[Encoding]:
        """Return the training and dev splits, encoded by the tokenizer whose codes train the vocoder."""
        splits = ("train", "dev") if self._trains(tokenizer) else ()
        return [(tokenizer.base_tokenizer, corpus.manifest(split, store)) for split in splits]

    def trains(self, tokenizer: Tokenizer) -> bool:
        """Return whether the vocoder decodes the codes of this tokenizer."""
        return uses_vocoder(tokenizer, self.decoder)

    def variant(self, tokenizer: Tokenizer) -> str:
        """Return "vocoder" where the vocoder replaces the tokenizer's own decoder; empty otherwise."""
        by_vocoder = uses_vocoder(tokenizer, self.decoder)
        return "vocoder" if by_vocoder and tokenizer.spec.can_decode else ""

    def train(self, tokenizer: Tokenizer, corpus: Corpus, context: RunContext) -> None:
        """Train the vocoder, if the task uses one for this tokenizer."""
        if self._trains(tokenizer):
            config = self.vocoder.with_max_steps(context.trainer.max_steps)
            trained_vocoder(tokenizer, corpus, config, context)

    def workload(self, cost: Estimator) -> Iterator[CostItem]:
        """Yield the tokens to decode, the vocoder with its training tokens, and the evaluation."""
        by_vocoder = uses_vocoder(cost.tokenizer, self.decoder)
        if self.why_not(cost.tokenizer) or (by_vocoder and not can_vocode(cost.tokenizer)):
            return
        yield from cost.encoding("test", limit=self.limit)
        if by_vocoder:
            source = cost.tokenizer.base_tokenizer
            for split in ("train", "dev"):
                yield from cost.encoding(split, source)
            yield from cost.vocoder(source, self.vocoder.with_max_steps(cost.max_steps))
        yield self.scoring_cost(cost)

    def scoring_cost(self, cost: Estimator) -> CostItem:
        """Price the evaluation alone."""
        return cost.scoring(limit=self.limit)

    def identity(self, tokenizer: Tokenizer, corpus: Corpus, context: RunContext) -> dict[str, Any]:
        """Resolve `decoder=auto` to "own" or "vocoder", so that both spellings share one key."""
        resolved = {"decoder": "vocoder"}
        if not uses_vocoder(tokenizer, self.decoder):
            resolved = {"decoder": "own", **tokenizer.decoder_identity()}
        return super().identity(tokenizer, corpus, context) | resolved

    def _trains(self, tokenizer: Tokenizer) -> bool:
        return uses_vocoder(tokenizer, self.decoder) and not self.why_not(tokenizer)


def interval_of(frame: pd.DataFrame, metric: str, within: Range, context: RunContext) -> Interval:
    """Return a metric over many utterances, Σ weight × value / Σ weight, with its interval.

    Args:
        frame: One row per utterance, with the columns `metric` and `abstained`, and "<metric>:weight" unless
            weights are one.
        metric: Name of the metric.
        within: Range of the metric.
        context: Names the independent unit of intervals.
    """
    values = frame[metric]
    weights = frame[f"{metric}:weight"] if f"{metric}:weight" in frame else values.notna().astype(float)
    weights = weights.where(values.notna())
    interval = ratio_interval(values * weights, weights, clusters(frame, context), within)
    return interval.with_abstained(len(reasons_of(frame, metric, ABSTAINED)))


def first_reasons(frame: pd.DataFrame, metric: str, most: int = 5) -> list[str]:
    """Return the first `most` distinct reasons why utterances have no score by a metric, failures first."""
    reasons = reasons_of(frame, metric, FAILED) + reasons_of(frame, metric, ABSTAINED)
    return list(dict.fromkeys(reasons))[:most]


def count_remarks(frame: pd.DataFrame, metric: str, remarked: str) -> str:
    """Return how many scores of a metric have each remark: "2 of 60 transcripts looped, 1 cut".

    Args:
        frame: One row per utterance, with the column "<metric>:remarks" if any score has one.
        metric: Name of the metric.
        remarked: Subject of the remarks, in the plural.
    """
    told = frame[f"{metric}:remarks"].dropna() if f"{metric}:remarks" in frame else []
    counts = Counter(remark for remarks in told for remark in remarks.split(", ")).most_common()
    total = int(frame[metric].notna().sum())
    first = [f"{count} of {total} {remarked} {remark}" for remark, count in counts[:1]]
    return ", ".join([*first, *(f"{count} {remark}" for remark, count in counts[1:])])
