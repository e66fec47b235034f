"""Codebook usage: how much of the codebooks, and of the nominal bitrate, speech really uses."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pandas as pd

from benchmark.data.corpus import Corpus
from benchmark.metrics.codebook import CodebookUsage
from benchmark.metrics.definitions import DEFINITIONS
from benchmark.metrics.statistics import Interval
from benchmark.tasks.base import Measure, Outcome, Setting, Task
from benchmark.tokenizers.base import Tokenizer
from benchmark.tokens.encode import encode_manifest, fit_codebook, has_codebook


@dataclass(kw_only=True)
class CodebookUsageTask(Task):
    """Used fraction, perplexity, entropy and the bitrates they imply, on speakers not trained on."""

    metrics: ClassVar[tuple[str, ...]] = (
        "used",
        "perplexity",
        "entropy",
        "bitrate_nominal",
        "bitrate_entropy",
        "bitrate_conditional",
    )

    def reads(self, tokenizer: Tokenizer, corpus: Corpus) -> tuple[str, ...]:  # noqa: ARG002
        """See `Task.reads`."""
        return ("train", "test") if has_codebook(tokenizer) else ("test",)

    def run(self, tokenizer: Tokenizer, corpus: Corpus, setting: Setting) -> Outcome:
        """See `Task.run`."""
        test = corpus.manifest("test", setting.store)
        fit_codebook(tokenizer, corpus, setting.store, setting.seed)
        tokens = encode_manifest(tokenizer, test, setting.store, setting.progress)
        spec = tokenizer.spec
        usage = CodebookUsage(
            spec.codebook_sizes, [round(spec.frame_rate / rate) for rate in spec.frame_rates]
        )
        for name in tokens:
            usage.accumulate(tokens[name])
        values = {
            "used": 100 * float(np.mean(usage.used_fraction)),
            "perplexity": float(np.mean(usage.perplexity)),
            "entropy": float(np.mean(usage.entropy)),
            "bitrate_nominal": spec.bitrate / 1000,
            "bitrate_entropy": float(np.dot(spec.frame_rates, usage.entropy)) / 1000,
            "bitrate_conditional": float(np.dot(spec.frame_rates, usage.conditional_entropy)) / 1000,
        }
        counted = Interval(float("nan"), float("nan"), float("nan"), len(tokens), len(tokens.failures))
        return Outcome(
            measures=[
                Measure(
                    metric=name,
                    interval=counted.with_value(value),
                    definition=DEFINITIONS[name].definition,
                )
                for name, value in values.items()
            ],
            utterances=_histogram(usage),
            notes={
                "frames": usage.frames,
                "dead_codes_by_book": usage.dead_codes,
                "entropy_by_book": usage.entropy,
                "repeated_frames": usage.repeated_fraction,
                "failures": list(tokens.failures.values())[:5],
            },
        )


def _histogram(usage: CodebookUsage) -> pd.DataFrame:
    """Count of every code that occurs, by codebook: the data of the histogram figure."""
    parts = []
    for book, counts in enumerate(usage.counts):
        codes = np.flatnonzero(counts)
        parts.append(pd.DataFrame({"codebook": book, "code": codes, "count": counts[codes]}))
    return pd.concat(parts, ignore_index=True)
