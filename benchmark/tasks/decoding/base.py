"""A task that turns codes back into speech: who decodes, and what that depends on."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import pandas as pd

from benchmark.data.corpora.base import Corpus
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


@dataclass(kw_only=True)
class DecodingTask(Task):
    """Base of the tasks that decode.

    Attributes:
        vocoder: Of tokenizers without a decoder, or of all.
        decoder: Whether a tokenizer's own decoder speaks or the vocoder, see `uses_vocoder`.
        limit: Utterances of the test split to decode; None for all.
    """

    produces: ClassVar[tuple[str, ...]] = ("vocoders",)

    vocoder: VocoderConfig
    decoder: Decoder = "auto"
    limit: int | None = None

    def reads(self, tokenizer: Tokenizer, corpus: Corpus) -> tuple[str, ...]:
        """See `Task.reads`."""
        prompts = (corpus.prompt_split,) if corpus.prompt_split else ()
        return (*decoding_splits(tokenizer, self.decoder), *prompts)

    def encodes(self, tokenizer: Tokenizer, corpus: Corpus, store: ArtifactStore) -> list[Encoding]:
        """The vocoder's training speech, in the codes that it is trained on."""
        splits = ("train", "dev") if uses_vocoder(tokenizer, self.decoder) else ()
        return [(tokenizer.base_tokenizer, corpus.manifest(split, store)) for split in splits]

    def variant(self, tokenizer: Tokenizer) -> str:
        """The word "vocoder" where that decodes in place of the tokenizer's own decoder."""
        by_vocoder = uses_vocoder(tokenizer, self.decoder)
        return "vocoder" if by_vocoder and tokenizer.spec.can_decode else ""

    def train(self, tokenizer: Tokenizer, corpus: Corpus, context: RunContext) -> None:
        """The vocoder, where one is used."""
        if uses_vocoder(tokenizer, self.decoder):
            config = self.vocoder.with_max_steps(context.trainer.max_steps)
            trained_vocoder(tokenizer, corpus, config, context)

    def workload(self, cost: Estimator) -> Iterator[CostItem]:
        """The tokens that are decoded, the vocoder with the tokens it learns from, and the evaluation."""
        by_vocoder = uses_vocoder(cost.tokenizer, self.decoder)
        if by_vocoder and not can_vocode(cost.tokenizer):
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
        """As the base class, with what `decoder` means for this tokenizer: two words for it are one job."""
        resolved = {"decoder": "vocoder"}
        if not uses_vocoder(tokenizer, self.decoder):
            resolved = {"decoder": "own", **tokenizer.decoder_identity()}
        return super().identity(tokenizer, corpus, context) | resolved


def interval_of(frame: pd.DataFrame, metric: str, context: RunContext) -> Interval:
    """A metric over many utterances: Σ weight × value / Σ weight, and its interval.

    Args:
        frame: The column `metric`, and "<metric>:weight" where weights are not one.
        metric: Its name.
        context: What the bootstrap draws.
    """
    values = frame[metric]
    weights = frame[f"{metric}:weight"] if f"{metric}:weight" in frame else values.notna().astype(float)
    return ratio_interval(values * weights, weights.where(values.notna()), clusters(frame, context))
