"""Intent probe: accuracy of a small BiLSTM with pooling that classifies intents from tokens."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import pandas as pd

from benchmark.data.corpora.base import Corpus
from benchmark.metrics.reported import ReportedMetric
from benchmark.tasks.costs import ProbeHead
from benchmark.tasks.probing.base import Split
from benchmark.tasks.probing.classification import ClassificationTask, accuracy, correct
from benchmark.tasks.probing.heads import INTENT
from benchmark.tasks.table_layout import TableLayout


@dataclass(kw_only=True)
class IntentProbe(ClassificationTask):
    """Accuracy in percent of the predicted intent (scenario_action), of its scenario and of its action."""

    table: ClassVar[TableLayout | None] = TableLayout(
        name="probing", title="Probing", place=41, axis="content", overview=("intent_accuracy",)
    )
    reports: ClassVar[Mapping[str, ReportedMetric]] = {
        "intent_accuracy": accuracy(
            "Intent accuracy",
            "BiLSTM over tokens with pooling, share of utterances whose scenario_action is right",
        ),
        "scenario_accuracy": accuracy(
            "Scenario accuracy",
            "share of utterances where the predicted intent's scenario is right",
        ),
        "action_accuracy": accuracy(
            "Action accuracy",
            "share of utterances where the predicted intent's action is right",
        ),
    }
    heads: ClassVar[Mapping[str, ProbeHead]] = {"probe": INTENT}
    column: ClassVar[str] = "intent"
    labels: ClassVar[Mapping[str, tuple[str, ...]]] = {"intent": ("train", "dev", "test")}

    def mark(self, frame: pd.DataFrame, splits: tuple[Split, Split, Split]) -> None:
        """See `ClassificationTask.mark`."""
        said, meant = frame["prediction"], frame["reference"]
        scenario = {u.intent: u.scenario for split in splits for u in split.manifest}
        actions = {intent: action_of(intent, scenario[intent]) for intent in scenario if intent}
        frame["intent_accuracy"] = correct(meant, said)
        frame["scenario_accuracy"] = correct(meant.map(scenario), said.map(scenario))
        frame["action_accuracy"] = correct(meant.map(actions), said.map(actions))

    def evidence(self, corpus: Corpus) -> dict[str, Any]:
        """See `ClassificationTask.evidence`."""
        return {
            "bare_intents_completed": {name: corpus.bare_intents(name) for name in ("train", "dev", "test")}
        }


def action_of(intent: str, scenario: str | None) -> str:
    """Return the action of an intent "scenario_action", by removing the scenario."""
    return intent.removeprefix(f"{scenario}_")
