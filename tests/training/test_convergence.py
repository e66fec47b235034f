"""Planted learning curves for every verdict on a training."""

import math
from typing import Any

import pytest

from benchmark.training.convergence import Evidence, judge

HEALTHY = {"bits": 6.0, "nominal_bits": 8.0}
AT_FLOOR = "dev not above the floor: 90 % errors, a constant answer has 92 %"


def told(losses: list[float], at_floor: str = AT_FLOOR, **changes: Any) -> tuple[str, str]:
    history = [{"epoch": float(n), "train_loss": loss} for n, loss in enumerate(losses)]
    usual: dict[str, Any] = {"floor": 2.485, "margin": 0.02, "untrained": 2.5, "use": HEALTHY}
    verdict = judge(Evidence(history=history, loss="train_loss", at_floor=at_floor, **(usual | changes)))
    assert verdict.reason.startswith(verdict.cause) and bool(verdict.reason) == bool(verdict.cause)
    return verdict.status, verdict.cause


@pytest.mark.parametrize(
    ("losses", "changes", "status", "cause"),
    [
        ([2.5, 1.0, 0.1], {"at_floor": ""}, "ok", ""),
        ([2.5, 1.0, 0.1], {}, "ok", "overfitted"),
        ([2.5, 1.0, 0.1], {"improving": True}, "NC", "undertrained"),
        ([2.5, 1.0, 0.1], {"improving": True, "at_floor": ""}, "ok", ""),
        ([2.5, 0.1, 2.6], {}, "ok", "overfitted"),  # it fell, whatever came after
        ([2.51, 2.49, 2.49], {}, "NC", "did not learn"),
        ([2.51, 2.47], {}, "NC", "did not learn"),  # within what chance does to the mean of an epoch
        ([2.51, 2.46], {}, "ok", "overfitted"),
        ([2.51, 2.49], {"at_floor": ""}, "NC", "did not learn"),  # dev selected the epoch, and is no witness
        ([2.5, 5.1, 2.5], {}, "NC", "diverged"),
        ([2.5, 1.0, float("nan")], {"at_floor": ""}, "NC", "diverged"),
        ([float("nan")], {"untrained": float("nan")}, "NC", "diverged"),
        ([2.5, 1.0], {"use": {"bits": 1.9, "nominal_bits": 8.0}}, "NC", "codebook collapse"),
        ([2.5, 1.0], {"use": {"bits": 1.9, "nominal_bits": 8.0}, "at_floor": ""}, "ok", ""),
        ([0.0, 0.0], {"floor": 0.0, "margin": 0.0, "infeasible": 1.0}, "NC", "CTC infeasible"),
        ([2.5, 1.0], {"infeasible": 0.5}, "NC", "CTC infeasible"),
        ([2.5, 1.0], {"infeasible": 0.49}, "ok", "overfitted"),
        ([2.5, 2.5], {"use": {}}, "NC", "did not learn"),  # continuous features
        ([9.0], {"use": {"bits": 0.0, "nominal_bits": 8.0}, "infeasible": 1.0}, "NC", "codebook collapse"),
    ],
)
def test_the_first_rule_that_holds_names_the_cause(losses, changes, status: str, cause: str) -> None:
    assert told(losses, **changes) == (status, cause)


def test_the_evidence_is_in_the_words() -> None:
    history = [{"epoch": 0.0, "train_loss": 2.5}, {"epoch": 1.0, "train_loss": 0.0833}]
    verdict = judge(Evidence(history=history, loss="train_loss", floor=2.485, at_floor=AT_FLOOR))
    assert verdict.reason == (
        "overfitted (training loss fell to 0.0833, 2.48 for an answer that ignores the codes); "
        "dev not above the floor: 90 % errors, a constant answer has 92 %"
    )
    history = [{"grad_norm": math.inf, "train_loss": 1.0}]
    broken = judge(Evidence(history=history, loss="train_loss", floor=2.0, at_floor=""))
    assert broken.reason == "diverged (grad_norm is inf in epoch 0)"
