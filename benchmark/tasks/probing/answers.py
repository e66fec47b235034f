"""Measures of what a probe answers, from the columns of its answers."""

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
    """Count every utterance by every metric, keep the counts in `frame`, and sum them up.

    Args:
        frame: One row per utterance, with the column `reference`. Columns are added: those of the metric's
            `counts`, or else the utterance's own value and its weight.
        given: Column of the answers; an utterance without a reference or an answer has no score.
        metrics: By name.
        context: What the intervals resample.
    """
    measures = []
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
        interval = ratio_interval(above, below, clusters(frame, context)).scaled(100)
        measures.append(Measure(metric=name, interval=interval, definition=metric.definition))
    return measures
