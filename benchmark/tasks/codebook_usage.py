"""Codebook usage: the share of codebooks and bitrate that speech uses, and the content of the codes."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from benchmark.data.corpora.base import Corpus
from benchmark.extractors.phones.aligner import Aligner, KnownPhones
from benchmark.extractors.phones.store import phone_tiers
from benchmark.metrics.codes.code_metrics import (
    CodeEntropy,
    CodeMetric,
    Codes,
    ConditionalRate,
    EntropyRate,
    NominalRate,
    PermutedRate,
    Perplexity,
    RunLength,
    UsedEntries,
)
from benchmark.metrics.codes.codebook_usage import CodebookUsage
from benchmark.metrics.codes.usage_growth import UsageGrowth
from benchmark.metrics.reported import ReportedMetric
from benchmark.storage.artifacts import ArtifactStore
from benchmark.storage.token_store import TokenStore
from benchmark.tasks.base import Encoding, Measure, Outcome, RunContext, Task
from benchmark.tasks.costs import CostItem, Estimator
from benchmark.tasks.metric_choice import chosen_metrics
from benchmark.tasks.probing.base import MAX_FRAME_RATE
from benchmark.tasks.probing.code_content import (
    PHONE_METRICS,
    SPEAKER_METRICS,
    Findings,
    of_phones,
    of_speakers,
)
from benchmark.tasks.table_layout import TableLayout
from benchmark.tokenizers.base import Tokenizer
from benchmark.tokenizers.encoding.encode import encode_manifest, needs_fitted_codebook
from benchmark.types import TokenizerSpec

CODE_METRICS: dict[str, CodeMetric] = {
    "used": UsedEntries(),
    "perplexity": Perplexity(),
    "entropy": CodeEntropy(),
    "bitrate_nominal": NominalRate(),
    "bitrate_entropy": EntropyRate(),
    "bitrate_conditional": ConditionalRate(),
    "bitrate_conditional_chance": PermutedRate(),
    "run_length": RunLength(),
}


@dataclass(kw_only=True)
class CodebookUsageTask(Task):
    """Usage, growth, entropy and run length of codes on the test split, and their phone and speaker content.

    Attributes:
        aligner: Source of the phone labels.
        metrics: Metrics of the config group `metric`; metrics of codes are reported beside the task's own.
    """

    version: ClassVar[int] = 3
    table: ClassVar[TableLayout | None] = TableLayout(name="codebook_usage", title="Codebook usage", place=60)
    reports: ClassVar[Mapping[str, ReportedMetric]] = {**CODE_METRICS, **PHONE_METRICS, **SPEAKER_METRICS}
    produces: ClassVar[tuple[str, ...]] = ()

    aligner: Aligner = field(default_factory=KnownPhones)
    metrics: dict[str, ReportedMetric] = field(default_factory=dict)

    @property
    def own_metrics(self) -> dict[str, CodeMetric]:
        """See `Task.own_metrics`."""
        return chosen_metrics(self.metrics, CodeMetric, (self.name,))  # type: ignore[type-abstract]

    def reads(self, tokenizer: Tokenizer, corpus: Corpus) -> tuple[str, ...]:  # noqa: ARG002
        """See `Task.reads`."""
        return ("train", "test") if needs_fitted_codebook(tokenizer) else ("test",)

    def encodes(self, tokenizer: Tokenizer, corpus: Corpus, store: ArtifactStore) -> list[Encoding]:
        """See `Task.encodes`."""
        return [(tokenizer, corpus.manifest("test", store))]

    def identity(self, tokenizer: Tokenizer, corpus: Corpus, context: RunContext) -> dict[str, Any]:
        """Add the aligner to the base class's identity, and drop `metrics`: each has a key of its own."""
        content = super().identity(tokenizer, corpus, context) | {"aligner": self.aligner.identity()}
        del content["metrics"]
        return content

    def workload(self, cost: Estimator) -> Iterator[CostItem]:
        """See `Task.workload`."""
        yield from cost.encoding("test")
        yield cost.scoring()

    def run(self, tokenizer: Tokenizer, corpus: Corpus, context: RunContext) -> Outcome:
        """See `Task.run`."""
        test = corpus.manifest("test", context.store)
        tokens = encode_manifest(tokenizer, test, context.store, context.progress)
        spec = tokenizer.spec
        by_speaker = context.interval_unit == "speakers"
        speakers = {each.utterance_id: each.speaker_id if by_speaker else each.utterance_id for each in test}
        usage, growth = _count(tokens, spec, speakers)
        codes = Codes(usage, spec)
        counts = len(tokens), len(tokens.failures)
        if spec.frame_rate > MAX_FRAME_RATE:
            reason = f"{spec.frame_rate:g} frames per second are samples, which are no phones and no voices"
            phones = voices = Findings(absent=reason)
        else:
            tiers = phone_tiers(corpus, "test", self.aligner, context.store, context.device)
            phones, voices = of_phones(tiers, tokens, spec, speakers), of_speakers(test, tokens, spec)
        absent = dict.fromkeys(PHONE_METRICS, phones.absent) | dict.fromkeys(SPEAKER_METRICS, voices.absent)
        metrics = CODE_METRICS | self.own_metrics
        absent |= {name: metric.absent(codes) for name, metric in metrics.items()}
        return Outcome(
            measures=[
                *(
                    Measure(
                        metric=name, interval=metric.interval(codes, counts), definition=metric.definition
                    )
                    for name, metric in metrics.items()
                    if not absent[name]
                ),
                *phones.measures,
                *voices.measures,
            ],
            utterances=_histogram(usage),
            statuses={name: ("n/a", reason) for name, reason in absent.items() if reason},
            notes={
                "frames": usage.frames,
                "dead_codes_by_book": usage.dead_codes,
                "entropy_by_book": usage.entropy,
                "run_length_by_book": usage.run_length,
                "repeated_frames": usage.repeated_fraction,
                "growth": growth,
                **phones.notes,
                **voices.notes,
                "failures": list(tokens.failures.values())[:5],
            },
        )


def _count(
    tokens: TokenStore, spec: TokenizerSpec, speakers: Mapping[str, str]
) -> tuple[CodebookUsage, dict[str, list[float]]]:
    """Count all codes, and record how usage grows with the amount of speech.

    Utterances come in a fixed random order, because speaker by speaker the curve would show the speakers.
    """
    usage = CodebookUsage(spec.codebook_sizes, spec.strides)
    growth = UsageGrowth(usage, spec.frame_rate)
    names = list(tokens)
    for index in np.random.default_rng(0).permutation(len(names)):
        usage.accumulate(tokens[names[index]], speakers[names[index]])
        growth.look()
    growth.look(last=True)
    return usage, growth.curve


def _histogram(usage: CodebookUsage) -> pd.DataFrame:
    """Return the count of every code that occurs, by codebook: the data of the histogram figure."""
    parts = []
    for book, counts in enumerate(usage.counts):
        codes = np.flatnonzero(counts)
        parts.append(pd.DataFrame({"codebook": book, "code": codes, "count": counts[codes]}))
    return pd.concat(parts, ignore_index=True)
