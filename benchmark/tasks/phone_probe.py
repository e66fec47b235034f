"""Phone probe: share of frames whose phone a small BiLSTM predicts wrongly.

Every frame has a label of its own, so that the probe need not learn an alignment.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, ClassVar

import numpy as np

from benchmark.data.corpora.base import Corpus
from benchmark.extractors.phones.aligner import Aligner
from benchmark.extractors.phones.store import PhoneTiers, phone_tiers
from benchmark.metrics.reported import ReportedMetric, stated
from benchmark.metrics.statistics.intervals import ratio_interval
from benchmark.models.probes.config import ProbeConfig
from benchmark.models.probes.data import Derived
from benchmark.models.probes.predict import phones_by_frame
from benchmark.models.probes.scores import labels_wrong, most_frequent
from benchmark.storage.token_store import TokenStore
from benchmark.tasks.base import Measure, Outcome, RunContext, clusters, failure_reasons, not_applicable
from benchmark.tasks.costs import ProbeHead
from benchmark.tasks.probing.answers import measure_answers
from benchmark.tasks.probing.base import (
    ProbingTask,
    carries_no_information,
    probe_frame,
    reason_of,
    tokenized_splits,
    why_no_probe,
)
from benchmark.tasks.probing.heads import FRAME_PHONES
from benchmark.tasks.probing.trained_probe import probe_label, trained_probe
from benchmark.tasks.table_layout import TableLayout
from benchmark.tokenizers.base import Tokenizer
from benchmark.training.report import read_report
from benchmark.types import SAMPLE_RATE, TokenizerSpec

PHONE_ERROR = stated(
    "Phone error",
    "%",
    False,
    1,
    "BiLSTM over tokens with cross-entropy on every frame, share of frames whose phone at the centre is "
    "wrong, silence counted as a phone",
    counts=("frames_wrong", "frames"),
    least=0.0,
    most=100.0,
    counted=True,
)


@dataclass(kw_only=True)
class PhoneProbe(ProbingTask):
    """Share of frames whose phone a probe predicts wrongly, in percent.

    Attributes:
        aligner: Source of the phone labels.
    """

    table: ClassVar[TableLayout | None] = TableLayout(
        name="probing", title="Probing", place=42, axis="content", overview=()
    )
    reports: ClassVar[Mapping[str, ReportedMetric]] = {"phone_error": PHONE_ERROR}
    heads: ClassVar[Mapping[str, ProbeHead]] = {"probe": FRAME_PHONES}
    prefix: ClassVar[str] = "phones_"

    aligner: Aligner

    def identity(self, tokenizer: Tokenizer, corpus: Corpus, context: RunContext) -> dict[str, Any]:
        """Add the aligner to the base class's identity."""
        return super().identity(tokenizer, corpus, context) | {"aligner": self.aligner.identity()}

    def run(self, tokenizer: Tokenizer, corpus: Corpus, context: RunContext) -> Outcome:
        """See `Task.run`."""
        if reason := why_no_probe(tokenizer):
            return not_applicable(reason)
        tiers = [
            phone_tiers(corpus, split, self.aligner, context.store, context.device)
            for split in ("train", "dev", "test")
        ]
        known = [tier for tier in tiers if tier is not None]
        if len(known) < len(tiers):
            return not_applicable(
                f"{corpus.name} has no {self.aligner.source}; align it with aligner=wav2vec2_phoneme"
            )
        splits = tokenized_splits(tokenizer, corpus, context)
        train, dev, test = splits
        labels, dev_labels, references = (
            frame_phones(tier, split.tokens, tokenizer.spec, self.probe)
            for tier, split in zip(known, splits, strict=True)
        )
        if not labels or not dev_labels:
            split_name = "dev" if labels else "train"
            return not_applicable(f"no utterance of {corpus.name}'s {split_name} split has tokens and phones")
        if carries_no_information(tokenizer):
            majority = most_frequent(phone for row in labels.values() for phone in row)
            answers = {key: [majority] * len(row) for key, row in references.items()}
            decoder = "constant"
            report: dict[str, Any] = {"status": "ok", "reason": ""}
            notes: dict[str, Any] = {"answer": majority}
        else:
            data = (train, labels), (dev, dev_labels)
            label_key = {"aligner": self.aligner.identity()}
            folder = trained_probe(FRAME_PHONES.target, tokenizer, *data, self.probe, context, label_key)
            report, ids = read_report(folder), list(references)
            answers = phones_by_frame(folder, tokenizer.spec, test.tokens, ids, self.probe, context.device)
            decoder, notes = probe_label(self.probe, context), {"training": report}
        frame = probe_frame(test, [_phones_of(known[2], u.utterance_id) for u in test.manifest])
        unlabelled = frame["failure"].eq("no label")
        frame.loc[unlabelled, "failure"] = frame["utterance_id"].map(known[2].failures).fillna("no label")
        frame["hypothesis"] = frame["utterance_id"].map({key: _spelled(row) for key, row in answers.items()})
        wrong = {key: labels_wrong(row, answers[key]) for key, row in references.items()}
        frame["frames_wrong"] = frame["utterance_id"].map(wrong).astype(float)
        frame["frames"] = frame["utterance_id"].map({k: len(row) for k, row in references.items()})
        interval = ratio_interval(
            100 * frame["frames_wrong"],
            frame["frames"].astype(float),
            clusters(frame, context),
            PHONE_ERROR.facts.within,
        )
        definition = f"{PHONE_ERROR.definition}; {self.aligner.source}"
        return Outcome(
            measures=[
                Measure(metric="phone_error", interval=interval, definition=definition),
                *measure_answers(frame, "hypothesis", self.own_metrics, context),
            ],
            utterances=frame,
            decoder=decoder,
            status=report["status"],
            reason=reason_of(report, tokenizer),
            notes=notes | {"failures": failure_reasons(frame)},
        )


def frame_phones(
    tiers: PhoneTiers, tokens: TokenStore, spec: TokenizerSpec, config: ProbeConfig
) -> Mapping[str, list[str]]:
    """Label every upsampled frame with the phone at its centre.

    Returns:
        Phones of the frames by utterance id, computed on access; only utterances with tokens and phones.
    """
    factor = config.upsampling(spec.frame_rate)

    def centres(frames: int) -> np.ndarray:
        return (np.arange(frames * factor) + 0.5) / (
            spec.frame_rate * factor
        ) + spec.frame_offset / SAMPLE_RATE

    both = (key for key in tiers if key in tokens)
    return Derived(both, lambda key: tiers[key].at(centres(tokens.frames(key))))


def _phones_of(tiers: PhoneTiers, utterance_id: str) -> str | None:
    return " ".join(tiers[utterance_id].labels) if utterance_id in tiers else None


def _spelled(frames: Sequence[str]) -> str:
    """Join the phones of frames by spaces, each run of equal phones as one."""
    return " ".join(phone for phone, _ in groupby(frames))
