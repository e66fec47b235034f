"""ASR probe: how many words a small BiLSTM with CTC or an attention decoder reads off the tokens."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import pandas as pd

from benchmark.data.corpora.base import Corpus
from benchmark.metrics.definitions import ATTENTION_READER, CTC_READER, DEFINITIONS
from benchmark.metrics.intelligibility import char_errors, word_errors
from benchmark.metrics.statistics.intervals import ratio_interval
from benchmark.models.probes.config import AttentionConfig
from benchmark.models.probes.normalize import normalize
from benchmark.models.probes.predict import infeasible, transcribe
from benchmark.models.probes.scores import constant_transcript
from benchmark.models.probes.train import train_asr_probe
from benchmark.tasks.base import Measure, Outcome, RunContext, clusters, failure_reasons, not_applicable
from benchmark.tasks.probing.base import (
    ProbingTask,
    Split,
    carries_no_information,
    probe_frame,
    reason_of,
    tokenized_splits,
    why_no_probe,
)
from benchmark.tasks.probing.trained_probe import probe_label, trained_probe
from benchmark.tokenizers.base import Tokenizer
from benchmark.training.trainer import read_report


@dataclass(kw_only=True)
class AsrProbe(ProbingTask):
    """WER and CER of a probe trained on the corpus's own transcripts."""

    reports: ClassVar[tuple[str, ...]] = ("probe_wer", "probe_cer")
    prefix: ClassVar[str] = "asr_"
    labels: ClassVar[Mapping[str, tuple[str, ...]]] = {"text": ("train", "dev", "test")}

    def run(self, tokenizer: Tokenizer, corpus: Corpus, context: RunContext) -> Outcome:
        """See `Task.run`."""
        if reason := why_no_probe(tokenizer):
            return not_applicable(reason)
        train, dev, test = tokenized_splits(tokenizer, corpus, context)
        train_texts, dev_texts = train.manifest.column("text"), dev.manifest.column("text")
        if not train_texts or not dev_texts:
            split = "dev" if train_texts else "train"
            return not_applicable(f"no transcripts in the {split} split of {corpus.name}")
        frame = probe_frame(test, [utterance.text for utterance in test.manifest])
        if carries_no_information(tokenizer):
            dev_answers = [*map(normalize, dev_texts.values())]
            constant = constant_transcript(map(normalize, train_texts.values()), dev_answers)
            hypotheses = dict.fromkeys(test.tokens, constant)
            decoder = "constant"
            report: dict[str, Any] = {"status": "ok", "reason": ""}
            notes: dict[str, Any] = {"answer": constant}
        else:
            data = (train, train_texts), (dev, dev_texts)
            folder = trained_probe("asr", train_asr_probe, tokenizer, *data, self.probe, context)
            report, spec = read_report(folder), tokenizer.spec
            hypotheses = transcribe(folder, spec, test.tokens, list(test.tokens), self.probe, context.device)
            impossible = infeasible(folder, spec, test.tokens, test.manifest.column("text"), self.probe)
            decoder = probe_label(self.probe, context)
            notes = {"training": report, "alignment": _alignment(report, impossible, test)}
        frame["hypothesis"] = frame["utterance_id"].map(hypotheses).astype(object)
        for name, count in (("words", word_errors), ("characters", char_errors)):
            frame[[f"{name}_wrong", name]] = [
                count(reference, hypothesis)
                if isinstance(reference, str) and isinstance(hypothesis, str)
                else (None, None)
                for reference, hypothesis in zip(frame["reference"], frame["hypothesis"], strict=True)
            ]
        return Outcome(
            measures=[
                self._rate(frame, "probe_wer", "words", context),
                self._rate(frame, "probe_cer", "characters", context),
            ],
            utterances=frame,
            decoder=decoder,
            status=report["status"],
            reason=reason_of(report, tokenizer),
            notes=notes | {"failures": failure_reasons(frame)},
        )

    def _rate(self, frame: pd.DataFrame, metric: str, unit: str, context: RunContext) -> Measure:
        """Corpus-level rate; the definition says how this probe decodes."""
        wrong, total = frame[f"{unit}_wrong"].astype(float), frame[unit].astype(float)
        interval = ratio_interval(wrong, total, clusters(frame, context)).scaled(100)
        definition = DEFINITIONS[metric].definition
        if isinstance(self.probe, AttentionConfig):
            limit = f", at most {self.probe.max_label_rate:g} labels/s"
            definition = definition.replace(CTC_READER, ATTENTION_READER + limit)
        elif self.probe.beam is not None:
            beam = f"prefix beam of {self.probe.beam} without language model"
            definition = definition.replace("greedy", beam)
        if self.probe.units == "bpe":
            definition = definition.replace("over tokens", f"over tokens to {self.probe.bpe_size} BPE pieces")
        return Measure(metric=metric, interval=interval, definition=definition)


def _alignment(report: dict[str, Any], impossible: int, test: Split) -> dict[str, Any]:
    """What was done about slow frames, and how many utterances of each split cannot be answered anyway."""
    factor = report["upsampling"]
    labelled = sum(key in test.tokens for key in test.manifest.column("text"))
    return {
        "rule": "frames as they are" if factor == 1 else f"every frame {factor} times",
        "infeasible": {**report["infeasible"], "test": impossible},
        "utterances": {
            **report["utterances"],
            "test": labelled,
        },
    }
