"""Codebook usage: what of the codebooks, and of the nominal bitrate, speech uses, and what it is used for."""

from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from benchmark.data.corpora.base import Corpus
from benchmark.extractors.phones.aligner import Aligner, KnownPhones
from benchmark.extractors.phones.store import phone_tiers
from benchmark.metrics.codes.codebook_usage import CodebookUsage
from benchmark.metrics.codes.usage_growth import UsageGrowth
from benchmark.storage.artifacts import ArtifactStore
from benchmark.storage.token_store import TokenStore
from benchmark.tasks.base import Encoding, Outcome, RunContext, Task
from benchmark.tasks.probing.base import MAX_FRAME_RATE
from benchmark.tasks.probing.code_content import (
    PHONE_METRICS,
    SPEAKER_METRIC,
    Findings,
    of_phones,
    of_speakers,
    of_the_split,
    strides,
)
from benchmark.tokenizers.base import Tokenizer
from benchmark.tokenizers.encoding.encode import encode_manifest, needs_fitted_codebook
from benchmark.types import TokenizerSpec


@dataclass(kw_only=True)
class CodebookUsageTask(Task):
    """Use, growth, entropy and runs of codes, and what they tell of phones and speakers, on the test split.

    Attributes:
        aligner: Where the phones come from.
    """

    version: ClassVar[int] = 2
    reports: ClassVar[tuple[str, ...]] = (
        "used",
        "perplexity",
        "entropy",
        "bitrate_nominal",
        "bitrate_entropy",
        "bitrate_conditional",
        "run_length",
        *PHONE_METRICS,
        SPEAKER_METRIC,
    )

    aligner: Aligner = field(default_factory=KnownPhones)

    def reads(self, tokenizer: Tokenizer, corpus: Corpus) -> tuple[str, ...]:  # noqa: ARG002
        """See `Task.reads`."""
        return ("train", "test") if needs_fitted_codebook(tokenizer) else ("test",)

    def encodes(self, tokenizer: Tokenizer, corpus: Corpus, store: ArtifactStore) -> list[Encoding]:
        """See `Task.encodes`."""
        return [(tokenizer, corpus.manifest("test", store))]

    def identity(self, tokenizer: Tokenizer, corpus: Corpus, context: RunContext) -> dict[str, Any]:
        """As the base class, with the aligner's weights."""
        return super().identity(tokenizer, corpus, context) | {"aligner": self.aligner.identity()}

    def run(self, tokenizer: Tokenizer, corpus: Corpus, context: RunContext) -> Outcome:
        """See `Task.run`."""
        test = corpus.manifest("test", context.store)
        tokens = encode_manifest(tokenizer, test, context.store, context.progress)
        spec = tokenizer.spec
        usage, growth = _count(tokens, spec)
        values = {
            "used": 100 * float(np.mean(usage.used_fraction)),
            "perplexity": float(np.mean(usage.perplexity)),
            "entropy": float(np.mean(usage.entropy)),
            "bitrate_nominal": spec.bitrate / 1000,
            "bitrate_entropy": float(np.dot(spec.frame_rates, usage.entropy)) / 1000,
            "bitrate_conditional": float(np.dot(spec.frame_rates, usage.conditional_entropy)) / 1000,
            "run_length": 1000 * float(np.mean(np.divide(usage.run_length, spec.frame_rates))),
        }
        counts = len(tokens), len(tokens.failures)
        if spec.frame_rate > MAX_FRAME_RATE:
            reason = f"{spec.frame_rate:g} frames per second are samples, which are no phones and no voices"
            phones = speakers = Findings(absent=reason)
        else:
            tiers = phone_tiers(corpus, "test", self.aligner, context.store, context.device)
            phones, speakers = of_phones(tiers, tokens, spec), of_speakers(test, tokens, spec)
        absent = dict.fromkeys(PHONE_METRICS, phones.absent) | {SPEAKER_METRIC: speakers.absent}
        return Outcome(
            measures=[
                *(of_the_split(name, value, *counts) for name, value in values.items()),
                *phones.measures,
                *speakers.measures,
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
                **speakers.notes,
                "failures": list(tokens.failures.values())[:5],
            },
        )


def _count(tokens: TokenStore, spec: TokenizerSpec) -> tuple[CodebookUsage, dict[str, list[float]]]:
    """Counts of all codes, and how they grew; utterances come in random order, not speaker by speaker."""
    usage = CodebookUsage(spec.codebook_sizes, strides(spec))
    growth = UsageGrowth(usage, spec.frame_rate)
    names = list(tokens)
    for index in np.random.default_rng(0).permutation(len(names)):
        usage.accumulate(tokens[names[index]])
        growth.look()
    growth.look(last=True)
    return usage, growth.curve


def _histogram(usage: CodebookUsage) -> pd.DataFrame:
    """Count of every code that occurs, by codebook: the data of the histogram figure."""
    parts = []
    for book, counts in enumerate(usage.counts):
        codes = np.flatnonzero(counts)
        parts.append(pd.DataFrame({"codebook": book, "code": codes, "count": counts[codes]}))
    return pd.concat(parts, ignore_index=True)
