"""Computation of metrics from the answers of a probe and the references."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from benchmark.metrics.answers import Answer, AnswerMetric
from benchmark.metrics.statistics.intervals import ratio_interval
from benchmark.tasks.base import Measure, RunContext, clusters

NONE = (float("nan"), float("nan"))


def measure_answers(
    frame: pd.DataFrame, given: str, metrics: Mapping[str, AnswerMetric], context: RunContext
) -> list[Measure]:
    """Score every utterance by every metric, add the counts to `frame`, and sum them over utterances.

    Args:
        frame: One row per utterance, with the column `reference`. Each metric adds two columns: those named
            by its `counts`, or else its value per utterance in percent and the weight of that value.
        given: Column of the answers; an utterance without a reference or an answer has no score.
        metrics: Metrics by name.
        context: Names the independent unit of intervals.

    Returns:
        One measure per metric, in percent.
    """
    measures = []
    answered = frame["reference"].notna() & frame[given].notna()
    for name, metric in metrics.items():
        pairs = zip(frame["reference"], frame[given], strict=True)
        counted = [
            metric.count(Answer(reference, answer))
            if isinstance(reference, str) and isinstance(answer, str)
            else NONE
            for reference, answer in pairs
        ]
        above, below = np.array(counted, dtype=float).reshape(-1, 2).T
        if metric.counts:
            frame[metric.counts[0]], frame[metric.counts[1]] = above, below
        else:
            with np.errstate(divide="ignore", invalid="ignore"):
                frame[name], frame[f"{name}:weight"] = 100 * above / below, below
        interval = ratio_interval(100 * above, below, clusters(frame, context), metric.facts.within)
        abstained = int((answered.to_numpy() & np.isnan(above)).sum())
        interval = interval.with_abstained(abstained)
        measures.append(Measure(metric=name, interval=interval, definition=metric.definition))
    return measures
