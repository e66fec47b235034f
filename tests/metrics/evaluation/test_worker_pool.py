import numpy as np
import pytest
from toys import Killer, PeakRatio

from benchmark.errors import UserError
from benchmark.metrics.base import DecodeFailure, Metric, MetricUndefined
from benchmark.metrics.evaluation.score_log import Entry
from benchmark.metrics.evaluation.worker_pool import DIED, score, score_all
from benchmark.metrics.signal_pair import Pair


def pair(name: str, peak: float) -> Pair:
    return Pair(name, np.array([0.0, 0.5, 0.0]), np.array([0.0, peak, 0.0]))


class Raising(PeakRatio):
    def score(self, pair: Pair) -> float:
        raise {
            "undefined": MetricUndefined("no value"),
            "silent": DecodeFailure("silence"),
            "wrong": ZeroDivisionError("oops"),
            "user": UserError("extra"),
        }[pair.utterance_id]


def test_failures_of_a_pair_are_entries() -> None:
    metrics: dict[str, Metric] = {"bad": Raising(), "good": PeakRatio()}
    assert score(pair("undefined", 0.25), metrics) == {
        "bad": Entry(reason="no value", abstained=True),
        "good": Entry(pytest.approx(0.5)),
    }
    assert score(pair("silent", 0.25), metrics)["bad"] == Entry(reason="silence")
    assert score(pair("wrong", 0.25), metrics)["bad"] == Entry(reason="ZeroDivisionError: oops")


def test_what_the_user_must_mend_is_no_failure_of_a_pair() -> None:
    with pytest.raises(UserError, match="extra"):
        score(pair("user", 0.25), {"bad": Raising()})


@pytest.mark.parametrize("found", [float("nan"), float("inf")])
def test_no_number_is_an_abstention(found: float) -> None:
    class Odd(PeakRatio):
        def score(self, pair: Pair) -> float:
            return found

    entry = Entry(reason="not defined for this pair", abstained=True)
    assert score(pair("a", 0.25), {"odd": Odd()}) == {"odd": entry}


def test_a_metric_that_kills_its_process_fails_alone() -> None:
    pairs = [pair(f"u{n}", 0.95 if n == 3 else 0.1 * n) for n in range(6)]
    metrics: dict[str, Metric] = {"killer": Killer(), "ratio": PeakRatio()}
    results = dict(score_all([(each, metrics) for each in pairs], processes=2))
    assert sorted(results) == list(range(6))
    assert results[3]["killer"] == Entry(reason=DIED)
    assert results[3]["ratio"].value == pytest.approx(1.9)
    assert [results[n]["killer"].value for n in (0, 1, 2, 4, 5)] == pytest.approx([0, 0.1, 0.2, 0.4, 0.5])
