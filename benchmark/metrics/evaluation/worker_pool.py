"""Scoring of pairs on all cores; a metric that fails, even by killing its process, becomes a failed entry."""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures.process import BrokenProcessPool

import numpy as np
from joblib import delayed

from benchmark.data.audio import AudioError
from benchmark.errors import UserError
from benchmark.metrics.base import Metric, MetricUndefined, Score
from benchmark.metrics.evaluation.score_log import Entry
from benchmark.metrics.evaluation.single_thread import one_thread, workers
from benchmark.metrics.signal_pair import Pair

Entries = dict[str, Entry]
"""Entries by name of the metric."""
Task = tuple[Pair, Mapping[str, Metric]]
"""A pair, and the metrics to score it by, by name."""
DIED = "the process that computed it died"


def score(pair: Pair, metrics: Mapping[str, Metric]) -> Entries:
    """Score one pair by every metric; a metric that fails does not stop the others."""
    with one_thread():
        return {name: _entry(metric, pair) for name, metric in metrics.items()}


def _entry(metric: Metric, pair: Pair) -> Entry:
    try:
        found = metric.score(pair)
    except (MetricUndefined, AudioError) as error:
        return Entry(reason=str(error))
    except (UserError, OSError, MemoryError):
        raise
    except Exception as error:  # a library fails on unusual audio: this pair's failure
        return Entry(reason=f"{type(error).__name__}: {error}")
    result = found if isinstance(found, Score) else Score(float(found))
    if not np.isfinite(result.value):
        return Entry(reason="not defined for this pair", text=result.text)
    return Entry(float(result.value), float(result.weight), result.text, remarks=", ".join(result.remarks))


def score_all(tasks: Sequence[Task], processes: int = 1) -> Iterator[tuple[int, Entries]]:
    """Yield number and entries of each task in order of completion; several processes start at once.

    Args:
        tasks: Pairs with their metrics. Values that the metrics need of models are given with the pair.
        processes: Number of processes; with 1 a crashing library kills this process.

    Raises: UserError, OSError or MemoryError, which are not failures of a pair.
    """
    if processes == 1:
        return ((number, score(*task)) for number, task in enumerate(tasks))
    return _collect(_scatter(tasks, processes), tasks)


def _collect(results: Iterator[tuple[int, Entries]], tasks: Sequence[Task]) -> Iterator[tuple[int, Entries]]:
    done = set()
    try:
        for number, entries in results:
            done.add(number)
            yield number, entries
    except BrokenProcessPool:
        for number, (pair, metrics) in enumerate(tasks):
            if number not in done:
                yield number, {name: _score_alone(pair, name, metric) for name, metric in metrics.items()}


def _scatter(tasks: Sequence[Task], processes: int) -> Iterator[tuple[int, Entries]]:
    """Start the processes at once, before the first result is requested.

    The longest pairs come first, so that no process still works on one after the others have finished.
    """
    order = sorted(range(len(tasks)), key=lambda number: -len(tasks[number][0].reference))
    return workers(processes, ordered=False)(
        delayed(_score_numbered)(number, *tasks[number]) for number in order
    )


def _score_numbered(number: int, pair: Pair, metrics: Mapping[str, Metric]) -> tuple[int, Entries]:
    return number, score(pair, metrics)


def _score_alone(pair: Pair, name: str, metric: Metric) -> Entry:
    """Score one pair by one metric in a process of its own, to find the metric that kills its process."""
    try:
        [(_, entries)] = _scatter([(pair, {name: metric})], 2)
    except BrokenProcessPool:
        return Entry(reason=DIED)
    return entries[name]
