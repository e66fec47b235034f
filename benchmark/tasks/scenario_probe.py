"""Scenario probe: intent classification as DASB and the survey have it, with SLURP's 18 scenarios."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import pandas as pd

from benchmark.metrics.reported import ReportedMetric
from benchmark.tasks.costs import ProbeHead
from benchmark.tasks.probing.base import Split
from benchmark.tasks.probing.classification import ClassificationTask, accuracy, correct
from benchmark.tasks.probing.heads import SCENARIO
from benchmark.tasks.table_layout import TableLayout

METRIC = "scenario_target_accuracy"
"""Differs from the `scenario_accuracy` of `IntentProbe`, whose probe learns intents."""


@dataclass(kw_only=True)
class ScenarioProbe(ClassificationTask):
    """Accuracy in percent of a probe trained on scenarios; its presets are those of the intent probe."""

    table: ClassVar[TableLayout | None] = TableLayout(
        name="probing", title="Probing", place=41, axis="content", overview=(METRIC,)
    )
    reports: ClassVar[Mapping[str, ReportedMetric]] = {
        METRIC: accuracy(
            "Scenario-target accuracy",
            "BiLSTM over tokens with pooling, trained on scenarios, share of utterances whose scenario it "
            "predicts",
        )
    }
    heads: ClassVar[Mapping[str, ProbeHead]] = {"probe": SCENARIO}
    column: ClassVar[str] = "scenario"
    labels: ClassVar[Mapping[str, tuple[str, ...]]] = {"scenario": ("train", "dev", "test")}

    def mark(self, frame: pd.DataFrame, splits: tuple[Split, Split, Split]) -> None:  # noqa: ARG002
        """See `ClassificationTask.mark`."""
        frame[METRIC] = correct(frame["reference"], frame["prediction"])
