"""Phone and speaker information in the codes of one split: metrics, or the reason for their absence."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from benchmark.data.manifest import Manifest
from benchmark.extractors.phones.store import PhoneTiers
from benchmark.metrics.codes.phone_information import PhoneInformation
from benchmark.metrics.codes.speaker_information import FOLDS, CodeHistograms, speaker_hits
from benchmark.metrics.reported import ReportedMetric, stated
from benchmark.metrics.statistics.intervals import jackknife_interval, mean_interval
from benchmark.storage.token_store import TokenStore
from benchmark.tasks.base import Measure
from benchmark.types import SAMPLE_RATE, TokenizerSpec

HUBERT = (
    "as Hsu et al. (2021), at the centre of each token, silence counted as a phone, of the codebook with the "
    "highest PNMI"
)
PHONE_METRICS: dict[str, ReportedMetric] = {
    "phone_purity": stated(
        "Phone purity",
        "",
        None,
        3,
        f"share of tokens whose phone is the most frequent one of their code, {HUBERT}",
        least=0.0,
        most=1.0,
    ),
    "cluster_purity": stated(
        "Cluster purity",
        "",
        None,
        3,
        f"share of tokens whose code is the most frequent one of their phone, {HUBERT}",
        least=0.0,
        most=1.0,
    ),
    "pnmi": stated(
        "PNMI",
        "",
        True,
        3,
        f"I(phone; code) / H(phone), {HUBERT}; grows with the number of codes, more so on short data: "
        "the rows' notes hold its value for permuted phones",
        least=0.0,
        most=1.0,
    ),
}
SPEAKER_METRICS: dict[str, ReportedMetric] = {
    "speaker_accuracy": stated(
        "Speaker accuracy",
        "%",
        None,
        1,
        "test utterances whose speaker a linear classifier (multinomial logistic regression) tells from "
        "how often each code occurs in them, each codebook's counts summing to one; 5-fold "
        "cross-validation over utterances, at most 1000",
        least=0.0,
        most=100.0,
        counted=True,
        order_free=True,
    )
}
SPEAKER_UTTERANCES = 1000
"""Maximum number of utterances for the speaker classifier, spread evenly over speakers; bounds the cost."""


@dataclass(frozen=True, kw_only=True)
class Findings:
    """One group of a task's measures and notes, or the reason why the group has none."""

    measures: list[Measure] = field(default_factory=list)
    notes: dict[str, Any] = field(default_factory=dict)
    absent: str = ""
    """Reason why there are no measures; empty where there are some."""


def token_centres(spec: TokenizerSpec, tokens: int, stride: int) -> np.ndarray:
    """Return the time in seconds at the centre of each token of a codebook, (tokens,)."""
    return (np.arange(tokens) + 0.5) * stride / spec.frame_rate + spec.frame_offset / SAMPLE_RATE


def of_phones(
    tiers: PhoneTiers | None, tokens: TokenStore, spec: TokenizerSpec, speakers: Mapping[str, str]
) -> Findings:
    """Compute purities and PNMI of every codebook; report those of the codebook with the highest PNMI.

    Args:
        tiers: Phones in time; None where the corpus has none.
        tokens: Codes of the split.
        spec: Facts about the tokenizer.
        speakers: Independent unit of intervals by utterance: the speaker, or the utterance itself.
    """
    if tiers is None:
        return Findings(absent="the corpus comes without phones in time; aligner=wav2vec2_phoneme finds them")
    books = [PhoneInformation(size) for size in spec.codebook_sizes]
    known = [name for name in tokens if name in tiers]
    for name in known:
        phones = tiers[name]
        for book, codes, stride in zip(books, tokens[name], spec.strides, strict=True):
            own = codes[::stride]
            book.accumulate(own, phones.at(token_centres(spec, len(own), stride)), speakers[name])
    failures = list(dict.fromkeys(tiers.failures.values()))[:5]
    shares = [book.shares for book in books]
    pnmi = np.array([each.pnmi for each in shares])
    if np.isnan(pnmi).all():
        return Findings(absent="; ".join(["no phones to tell apart in utterances with tokens", *failures]))
    best = int(np.nanargmax(pnmi))
    lost = len(tokens.failures) + len(tokens) - len(known)
    without = books[best].shares_without_each()
    return Findings(
        measures=[
            Measure(
                metric=name,
                interval=jackknife_interval(
                    getattr(shares[best], name),
                    [getattr(each, name) for each in without],
                    (len(known), lost),
                    metric.facts.within,
                ),
                definition=f"{metric.definition}; {tiers.source}",
            )
            for name, metric in PHONE_METRICS.items()
        ],
        notes={
            "phone_book": best,
            **{f"{name}_by_book": [getattr(each, name) for each in shares] for name in PHONE_METRICS},
            "pnmi_chance_by_book": [book.chance for book in books],
            "alignment_failures": failures,
        },
    )


def of_speakers(test: Manifest, tokens: TokenStore, spec: TokenizerSpec) -> Findings:
    """Compute the accuracy of a linear classifier that tells speakers apart by the frequencies of codes."""
    encoded = [utterance for utterance in test if utterance.utterance_id in tokens]
    chosen = list(Manifest(encoded).subset(SPEAKER_UTTERANCES)) if encoded else []
    counts = pd.Series([utterance.speaker_id for utterance in chosen], dtype=object).value_counts()
    counts = counts[counts >= FOLDS]
    if len(counts) < 2:
        return Findings(absent=f"fewer than two speakers have {FOLDS} test utterances, one for each fold")
    histograms = CodeHistograms(spec.codebook_sizes, spec.strides)
    speakers = []
    for utterance in chosen:
        if utterance.speaker_id in counts:
            histograms.accumulate(tokens[utterance.utterance_id])
            speakers.append(utterance.speaker_id)
    who = np.array(speakers)
    within = SPEAKER_METRICS["speaker_accuracy"].facts.within
    interval = mean_interval(100.0 * speaker_hits(histograms.matrix(), who), who, within)
    return Findings(
        measures=[
            Measure(metric=name, interval=interval, definition=metric.definition)
            for name, metric in SPEAKER_METRICS.items()
        ],
        notes={"speakers": len(counts), "speaker_accuracy_chance": 100 * float(counts.max() / len(who))},
    )
