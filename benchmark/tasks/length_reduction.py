"""Length reduction: tokens per second after deduplication and after byte-pair encoding of the codes.

Figure 8 of the survey (Guo et al. 2025, arXiv 2502.06490v4): average frame rate against the size of the
vocabulary, one line per tokenizer, each from the tokenizer's own vocabulary on.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, get_args

import numpy as np
import pandas as pd

from benchmark.data.corpora.base import Corpus
from benchmark.data.manifest import Manifest
from benchmark.errors import UserError, unknown
from benchmark.metrics.reported import ReportedMetric
from benchmark.metrics.statistics.intervals import Interval, ratio_interval
from benchmark.storage.artifacts import ArtifactStore
from benchmark.tasks.base import (
    Encoding,
    Measure,
    Outcome,
    RunContext,
    Task,
    clusters,
    failure_reasons,
    not_applicable,
)
from benchmark.tasks.costs import CostItem, Estimator
from benchmark.tasks.probing.base import MAX_FRAME_RATE
from benchmark.tasks.reduction.definitions import rates
from benchmark.tasks.reduction.learned import KIND, Learned, Reducer, learn
from benchmark.tasks.table_layout import TableLayout
from benchmark.tokenizers.base import Tokenizer
from benchmark.tokenizers.encoding.encode import encode_manifest
from benchmark.tokenizers.reduction.byte_pairs import LEAST_COUNT, MOST
from benchmark.tokenizers.reduction.streams import Books, Stream, streams
from benchmark.types import TokenizerSpec

LEARNING_SPEED = 100_000
"""Codes per second from which merges are learned twice and counted, on one core, approximately."""
MERGES_SIZE = 2_000_000
"""Bytes of the stored merges of 12,000 tokens, with and without repetitions, approximately."""


@dataclass(kw_only=True)
class LengthReduction(Task):
    """Tokens and bits per second of the test split, before and after the reduction of its codes.

    Attributes:
        vocabularies: Sizes of the vocabulary, ascending. Sizes below a tokenizer's own are not applicable.
        books: How several codebooks make tokens. "interleaved": the codes of a frame in turn, one sequence.
            "apart": one sequence and one vocabulary for each codebook; such rows stand beside the others.
        train_codes: Maximum number of codes that the merges are learned from. It bounds memory and time,
            whatever the corpus; 10 million are 56 hours at 50 Hz. From a longer train split, utterances are
            drawn evenly over the speakers, one at least.
    """

    version: ClassVar[int] = 1
    table: ClassVar[TableLayout | None] = TableLayout(
        name="length_reduction", title="Length reduction", place=65
    )
    produces: ClassVar[tuple[str, ...]] = ()

    vocabularies: list[int] = field(default_factory=lambda: [2000, 4000, 6000, 8000, 10_000, 12_000])
    books: Books = "interleaved"
    train_codes: int = 10_000_000

    def __post_init__(self) -> None:
        if self.books not in get_args(Books):
            raise unknown("task.books", self.books, get_args(Books))
        sizes = self.vocabularies
        if not sizes or sizes != sorted(set(sizes)) or not 0 < sizes[0] <= sizes[-1] <= MOST:
            raise UserError(
                f"task.vocabularies={sizes} must be ascending sizes from 1 to {MOST:,}, such as "
                "[2000,4000,8000]"
            )
        if self.train_codes < 1:
            raise UserError(f"task.train_codes={self.train_codes} must be at least 1")

    def reported(self) -> Mapping[str, ReportedMetric]:
        """See `Task.reported`; there is one metric for each vocabulary."""
        return rates(self.vocabularies, self.books)

    def reads(self, tokenizer: Tokenizer, corpus: Corpus) -> tuple[str, ...]:  # noqa: ARG002
        """See `Task.reads`."""
        return "train", "test"

    def encodes(self, tokenizer: Tokenizer, corpus: Corpus, store: ArtifactStore) -> list[Encoding]:
        """See `Task.encodes`."""
        if _why_not(tokenizer.spec):
            return []
        train = self._train(tokenizer.spec, corpus, store)
        return [(tokenizer, train), (tokenizer, corpus.manifest("test", store))]

    def variant(self, tokenizer: Tokenizer) -> str:
        """See `Task.variant`."""
        return "apart" if self.books == "apart" and tokenizer.spec.num_codebooks > 1 else ""

    def identity(self, tokenizer: Tokenizer, corpus: Corpus, context: RunContext) -> dict[str, Any]:
        """Drop `books` where there is one codebook: both ways are the same."""
        content = super().identity(tokenizer, corpus, context)
        if tokenizer.spec.num_codebooks == 1:
            del content["books"]
        return content

    def workload(self, cost: Estimator) -> Iterator[CostItem]:
        """See `Task.workload`; utterances count by their average length."""
        spec = cost.tokenizer.spec
        if _why_not(spec):
            return
        most = self.train_codes / spec.token_rate
        too_long = cost.seconds("train") > most
        limit = max(1, int(most / cost.seconds("train", 1))) if too_long else None
        yield from cost.encoding("train", limit=limit)
        yield from cost.encoding("test")
        codes = cost.seconds("train", limit) * spec.token_rate
        yield cost.artifact(KIND, codes / LEARNING_SPEED, size=MERGES_SIZE)
        yield cost.scoring()

    def run(self, tokenizer: Tokenizer, corpus: Corpus, context: RunContext) -> Outcome:
        """See `Task.run`."""
        spec, store = tokenizer.spec, context.store
        if reason := _why_not(spec):
            return not_applicable(reason)
        sequences = streams(spec.codebook_sizes, spec.strides, self.books)
        train = self._train(spec, corpus, store)
        learned = learn(tokenizer, train, sequences, self.vocabularies[-1], context)
        reduce = Reducer(learned, self.vocabularies)
        frame = self._reduced(tokenizer, corpus.manifest("test", store), reduce, context)
        absent, remarks = self._absent(sequences), self._early_ends(learned)
        return Outcome(
            measures=[
                Measure(
                    metric=name,
                    interval=_interval(frame, name, metric, context),
                    definition=metric.definition,
                    remark=remarks.get(name, ""),
                )
                for name, metric in self.reported().items()
                if name not in absent
            ],
            utterances=frame,
            statuses={name: ("n/a", reason) for name, reason in absent.items()},
            notes=_curve(frame, sequences, reduce)
            | {
                "train_hours": train.hours,
                "train_codes": sum(int(each.counts["codes"].sum()) for each in learned),
                "vocabulary_reached": [each.whole.vocabulary if each.whole else None for each in learned],
                "failures": failure_reasons(frame),
            },
        )

    def _train(self, spec: TokenizerSpec, corpus: Corpus, store: ArtifactStore) -> Manifest:
        """Return the utterances that the merges are learned from.

        Each counts with the most codes that its duration allows, see `TokenizerSpec.frame_slack`.
        """
        whole = corpus.manifest("train", store)
        rounding = spec.num_codebooks * (1 + spec.frame_slack)
        return whole.fill(self.train_codes, np.nan_to_num(whole.durations) * spec.token_rate + rounding)

    def _reduced(
        self, tokenizer: Tokenizer, test: Manifest, reduce: Reducer, context: RunContext
    ) -> pd.DataFrame:
        """Return tokens and kilobits per second of each utterance, with its seconds as the weight."""
        tokens = encode_manifest(tokenizer, test, context.store, context.progress)
        rows: list[dict[str, Any]] = []
        for utterance in test:
            name, seconds = utterance.utterance_id, utterance.duration
            row: dict[str, Any] = {"utterance_id": name, "speaker_id": utterance.speaker_id, "failure": None}
            if name not in tokens or not seconds > 0:
                rows.append(row | {"failure": tokens.failures.get(name, "no speech")})
                continue
            for quantity, count in reduce(tokens[name]).items():
                bits = quantity.startswith("bits_")
                column = quantity if bits else f"rate_{quantity}"
                row[column] = count / seconds / (1000 if bits else 1)
                row[f"{column}:weight"] = seconds
            rows.append(row)
        beside = (
            f"rate_{kind}_{size}"
            for size in (*self.vocabularies, *reduce.drawn)
            for kind in ("bpe", "dedup_bpe")
        )
        names = dict.fromkeys((*self.reported(), *beside))
        columns = ["utterance_id", "speaker_id", "failure", *names, *(f"{name}:weight" for name in names)]
        return pd.DataFrame(rows, columns=columns)

    def _absent(self, sequences: list[Stream]) -> dict[str, str]:
        """Return why metrics of vocabularies below the tokenizer's own have no value."""
        own = max(stream.alphabet for stream in sequences)
        reason = f"{own:,} codes are tokens already, more than the vocabulary of "
        below = {size: f"{reason}{size:,}" for size in self.vocabularies if size < own}
        absent = {f"rate_bpe_{size}": why for size, why in below.items()}
        if largest := below.get(self.vocabularies[-1]):
            absent |= {f"rate_dedup_bpe_{self.vocabularies[-1]}": largest, "bits_bpe": largest}
        return absent

    def _early_ends(self, learned: list[Learned]) -> dict[str, str]:
        """Return remarks on metrics of vocabularies that are larger than what the train split gives."""
        largest, remarks = self.vocabularies[-1], dict[str, str]()
        for prefix, merges in (
            ("rate_bpe", [each.whole for each in learned]),
            ("rate_dedup_bpe", [each.short for each in learned]),
        ):
            reached = min((each.vocabulary for each in merges if each), default=largest)
            why = f"the merges end at {reached:,} tokens: no pair is left that occurs {LEAST_COUNT} times"
            remarks |= {f"{prefix}_{size}": why for size in self.vocabularies if size > reached}
        return remarks | ({"bits_bpe": end} if (end := remarks.get(f"rate_bpe_{largest}")) else {})


def _why_not(spec: TokenizerSpec) -> str | None:
    """Return the reason why codes of this tokenizer are no tokens to reduce, or None."""
    if spec.frame_rate > MAX_FRAME_RATE:
        return f"{spec.frame_rate:g} frames per second are samples, not tokens to reduce"
    return None


def _curve(frame: pd.DataFrame, sequences: list[Stream], reduce: Reducer) -> dict[str, Any]:
    """Return the average rates in Hz at the tokenizer's own vocabulary and at each larger one, as a note.

    Rates beyond the end of the merges are None. There is no note where no utterance has codes.
    """
    if not frame["rate_codes"].sum() > 0:
        return {}
    own = max(stream.alphabet for stream in sequences)
    sizes = [size for size in reduce.drawn if size > own]
    curve: dict[str, list[float | None]] = {"vocabulary": [own, *sizes]}
    for kind, start in (("bpe", "rate_codes"), ("dedup_bpe", "rate_dedup")):
        filled = [size for size in sizes if size <= reduce.reached[kind]]
        rates = [_average(frame, name) for name in (start, *(f"rate_{kind}_{size}" for size in filled))]
        curve[kind] = [*rates, *[None] * (len(sizes) - len(filled))]
    return {"rates_by_vocabulary": curve}


def _average(frame: pd.DataFrame, name: str) -> float:
    weights = frame[f"{name}:weight"]
    return float((frame[name] * weights).sum() / weights.sum())


def _interval(frame: pd.DataFrame, name: str, metric: ReportedMetric, context: RunContext) -> Interval:
    weights = frame[f"{name}:weight"]
    return ratio_interval(frame[name] * weights, weights, clusters(frame, context), metric.facts.within)
