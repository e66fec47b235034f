"""Base class of the tasks whose probe gives every utterance one class, such as its intent."""

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import pandas as pd

from benchmark.data.corpora.base import Corpus
from benchmark.metrics.reported import StatedMetric, stated
from benchmark.models.probes.predict import classify
from benchmark.models.probes.scores import most_frequent
from benchmark.tasks.base import Outcome, RunContext, failure_reasons, mean_measure, not_applicable
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
from benchmark.tasks.probing.trained_probe import probe_label, trained_probe
from benchmark.tokenizers.base import Tokenizer
from benchmark.training.report import read_report


@dataclass(kw_only=True)
class ClassificationTask(ProbingTask):
    """Accuracies in percent of the classes that a probe predicts; subclasses name the class and score it.

    Attributes:
        column: Column of the manifest that holds the class of an utterance.
    """

    prefix: ClassVar[str] = "intent_"
    column: ClassVar[str]

    @abstractmethod
    def mark(self, frame: pd.DataFrame, splits: tuple[Split, Split, Split]) -> None:
        """Add to `frame`, with columns `reference` and `prediction`, one column for each of `reports`."""

    def evidence(self, corpus: Corpus) -> dict[str, Any]:  # noqa: ARG002
        """Return further notes of this task, JSON-able."""
        return {}

    def run(self, tokenizer: Tokenizer, corpus: Corpus, context: RunContext) -> Outcome:
        """See `Task.run`."""
        if reason := why_no_probe(tokenizer):
            return not_applicable(reason)
        splits = tokenized_splits(tokenizer, corpus, context)
        train, dev, test = splits
        classes, dev_classes = train.manifest.column(self.column), dev.manifest.column(self.column)
        if not classes or not dev_classes:
            return not_applicable(f"{corpus.name} has no {self.column}s")
        frame = probe_frame(test, [getattr(utterance, self.column) for utterance in test.manifest])
        if carries_no_information(tokenizer):
            majority = most_frequent(classes.values())
            answers = dict.fromkeys(test.tokens, majority)
            decoder = "constant"
            report: dict[str, Any] = {"status": "ok", "reason": ""}
            notes: dict[str, Any] = {"answer": majority}
        else:
            data = (train, classes), (dev, dev_classes)
            folder = trained_probe(self.heads["probe"].target, tokenizer, *data, self.probe, context)
            report, ids = read_report(folder), list(test.tokens)
            answers = classify(folder, tokenizer.spec, test.tokens, ids, self.probe, context.device)
            decoder, notes = probe_label(self.probe, context), {"training": report}
        frame["prediction"] = frame["utterance_id"].map(answers).astype(object)
        self.mark(frame, splits)
        notes["majority_accuracy"] = _majority(classes, frame["reference"].dropna().tolist())
        return Outcome(
            measures=[
                *(mean_measure(frame, name, metric, context) for name, metric in self.reports.items()),
                *measure_answers(frame, "prediction", self.own_metrics, context),
            ],
            utterances=frame,
            decoder=decoder,
            status=report["status"],
            reason=reason_of(report, tokenizer),
            notes=notes | self.evidence(corpus) | {"failures": failure_reasons(frame)},
        )


def accuracy(label: str, definition: str) -> StatedMetric:
    """Return a metric in percent of the utterances whose class is right, larger being better."""
    return stated(label, "%", True, 1, definition, least=0.0, most=100.0, counted=True, order_free=True)


def correct(references: pd.Series, predictions: pd.Series) -> list[float]:
    """Return 100 for a right prediction, 0 for a wrong one, NaN where either label is missing."""
    return [
        100.0 * (reference == prediction)
        if isinstance(reference, str) and isinstance(prediction, str)
        else float("nan")
        for reference, prediction in zip(references, predictions, strict=True)
    ]


def _majority(train: Mapping[str, str], test: list[str]) -> float:
    """Return the accuracy in percent of always answering the most frequent class of the training split."""
    return 100 * test.count(most_frequent(train.values())) / max(1, len(test))
