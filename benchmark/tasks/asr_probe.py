"""ASR probe: word and character error rate of a small BiLSTM that reads transcripts off the tokens.

The head of the BiLSTM is CTC or an attention decoder, as the preset says.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from benchmark.data.corpora.base import Corpus
from benchmark.metrics.answers import AnswerMetric, TranscriptCharErrors, TranscriptWordErrors
from benchmark.models.probes.normalize import normalize
from benchmark.models.probes.predict import infeasible, transcribe
from benchmark.models.probes.scores import constant_transcript
from benchmark.tasks.base import Outcome, RunContext, failure_reasons, not_applicable
from benchmark.tasks.costs import ProbeHead
from benchmark.tasks.probing.answers import measure_answers
from benchmark.tasks.probing.base import (
    ProbingTask,
    Split,
    carries_no_information,
    probe_frame,
    reason_of,
    tokenized_splits,
    why_no_probe,
)
from benchmark.tasks.probing.heads import TRANSCRIPTS
from benchmark.tasks.probing.trained_probe import probe_label, trained_probe
from benchmark.tasks.table_layout import TableLayout
from benchmark.tokenizers.base import Tokenizer
from benchmark.training.report import read_report


@dataclass(kw_only=True)
class AsrProbe(ProbingTask):
    """WER and CER of a probe trained on the corpus's own transcripts, in percent."""

    table: ClassVar[TableLayout | None] = TableLayout(
        name="probing", title="Probing", place=40, axis="content", overview=("probe_wer",)
    )
    heads: ClassVar[Mapping[str, ProbeHead]] = {"probe": TRANSCRIPTS}
    prefix: ClassVar[str] = "asr_"
    labels: ClassVar[Mapping[str, tuple[str, ...]]] = {"text": ("train", "dev", "test")}

    def reported(self) -> dict[str, AnswerMetric]:
        """Return WER and CER, whose definitions name this probe's head and search, and the chosen metrics."""
        reader = self.probe.reader
        own = {
            "probe_wer": TranscriptWordErrors(reader=reader),
            "probe_cer": TranscriptCharErrors(reader=reader),
        }
        return own | self.own_metrics

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
            folder = trained_probe(TRANSCRIPTS.target, tokenizer, *data, self.probe, context)
            report, spec = read_report(folder), tokenizer.spec
            hypotheses = transcribe(folder, spec, test.tokens, list(test.tokens), self.probe, context.device)
            impossible = infeasible(folder, spec, test.tokens, test.manifest.column("text"), self.probe)
            decoder = probe_label(self.probe, context)
            notes = {"training": report, "alignment": _alignment(report, impossible, test)}
        frame["hypothesis"] = frame["utterance_id"].map(hypotheses).astype(object)
        return Outcome(
            measures=measure_answers(frame, "hypothesis", self.reported(), context),
            utterances=frame,
            decoder=decoder,
            status=report["status"],
            reason=reason_of(report, tokenizer),
            notes=notes | {"failures": failure_reasons(frame)},
        )


def _alignment(report: dict[str, Any], impossible: int, test: Split) -> dict[str, Any]:
    """Describe the upsampling of slow frames, and count utterances per split.

    An infeasible utterance has too few frames for its transcript even after upsampling.
    """
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
