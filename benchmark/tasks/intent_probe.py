"""Intent probe: accuracy of a small BiLSTM with pooling that classifies intents from tokens."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import pandas as pd

from benchmark.data.corpora.base import Corpus
from benchmark.metrics.reported import ReportedMetric, stated
from benchmark.models.probes.predict import classify
from benchmark.models.probes.scores import most_frequent
from benchmark.models.probes.train import train_intent_probe
from benchmark.tasks.base import Outcome, RunContext, failure_reasons, mean_measure, not_applicable
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
from benchmark.tasks.probing.heads import INTENT
from benchmark.tasks.probing.trained_probe import probe_label, trained_probe
from benchmark.tasks.table_layout import TableLayout
from benchmark.tokenizers.base import Tokenizer
from benchmark.training.report import read_report


@dataclass(kw_only=True)
class IntentProbe(ProbingTask):
    """Accuracy in percent of the predicted intent (scenario_action), of its scenario and of its action."""

    table: ClassVar[TableLayout | None] = TableLayout(
        name="probing", title="Probing", place=41, axis="content", overview=("intent_accuracy",)
    )
    reports: ClassVar[Mapping[str, ReportedMetric]] = {
        "intent_accuracy": stated(
            "Intent accuracy",
            "%",
            True,
            1,
            "BiLSTM over tokens with pooling, share of utterances whose scenario_action is right",
            least=0.0,
            most=100.0,
            counted=True,
            order_free=True,
        ),
        "scenario_accuracy": stated(
            "Scenario accuracy",
            "%",
            True,
            1,
            "share of utterances where the predicted intent's scenario is right",
            least=0.0,
            most=100.0,
            counted=True,
            order_free=True,
        ),
        "action_accuracy": stated(
            "Action accuracy",
            "%",
            True,
            1,
            "share of utterances where the predicted intent's action is right",
            least=0.0,
            most=100.0,
            counted=True,
            order_free=True,
        ),
    }
    heads: ClassVar[Mapping[str, ProbeHead]] = {"probe": INTENT}
    prefix: ClassVar[str] = "intent_"
    labels: ClassVar[Mapping[str, tuple[str, ...]]] = {"intent": ("train", "dev", "test")}

    def run(self, tokenizer: Tokenizer, corpus: Corpus, context: RunContext) -> Outcome:
        """See `Task.run`."""
        if reason := why_no_probe(tokenizer):
            return not_applicable(reason)
        train, dev, test = tokenized_splits(tokenizer, corpus, context)
        train_intents, dev_intents = train.manifest.column("intent"), dev.manifest.column("intent")
        if not train_intents or not dev_intents:
            return not_applicable(f"{corpus.name} has no intents")
        frame = probe_frame(test, [utterance.intent for utterance in test.manifest])
        if carries_no_information(tokenizer):
            majority = most_frequent(train_intents.values())
            answers = dict.fromkeys(test.tokens, majority)
            decoder = "constant"
            report: dict[str, Any] = {"status": "ok", "reason": ""}
            notes: dict[str, Any] = {"answer": majority}
        else:
            data = (train, train_intents), (dev, dev_intents)
            folder = trained_probe("intent", train_intent_probe, tokenizer, *data, self.probe, context)
            report, ids = read_report(folder), list(test.tokens)
            answers = classify(folder, tokenizer.spec, test.tokens, ids, self.probe, context.device)
            decoder, notes = probe_label(self.probe, context), {"training": report}
        frame["prediction"] = frame["utterance_id"].map(answers).astype(object)
        scenario = {u.intent: u.scenario for split in (train, dev, test) for u in split.manifest}
        frame["intent_accuracy"] = _correct(frame["reference"], frame["prediction"])
        frame["scenario_accuracy"] = _correct(
            frame["reference"].map(scenario), frame["prediction"].map(scenario)
        )
        actions = {intent: action_of(intent, scenario[intent]) for intent in scenario if intent}
        frame["action_accuracy"] = _correct(frame["reference"].map(actions), frame["prediction"].map(actions))
        return Outcome(
            measures=[
                *(mean_measure(frame, name, metric, context) for name, metric in self.reports.items()),
                *measure_answers(frame, "prediction", self.own_metrics, context),
            ],
            utterances=frame,
            decoder=decoder,
            status=report["status"],
            reason=reason_of(report, tokenizer),
            notes=notes
            | {
                "majority_accuracy": _majority(train_intents, frame["reference"].dropna().tolist()),
                "bare_intents_completed": {
                    name: corpus.bare_intents(name) for name in ("train", "dev", "test")
                },
                "failures": failure_reasons(frame),
            },
        )


def action_of(intent: str, scenario: str | None) -> str:
    """Return the action of an intent "scenario_action", by removing the scenario."""
    return intent.removeprefix(f"{scenario}_")


def _correct(references: pd.Series, predictions: pd.Series) -> list[float]:
    """Return 100 for a right prediction, 0 for a wrong one, NaN where either label is missing."""
    return [
        100.0 * (reference == prediction)
        if isinstance(reference, str) and isinstance(prediction, str)
        else float("nan")
        for reference, prediction in zip(references, predictions, strict=True)
    ]


def _majority(train: Mapping[str, str], test: list[str]) -> float:
    """Return the accuracy in percent of always answering the most frequent intent of the training split."""
    return 100 * test.count(most_frequent(train.values())) / max(1, len(test))
