"""Simulate what the verdict on convergence says of probes of known accuracy.

    python -m scripts.simulate.nc_power

Each probe classifies twelve intents from a cue that names the right one in a known share of the utterances.
It is a linear layer trained by gradient descent on 480 utterances and selected on 60 of dev, as in the
profile `mini`. Prints the table in docs/explanation/statistics.md.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from benchmark.models.probes.loss_floor import LossFloor, class_losses
from benchmark.models.probes.scores import at_floor
from benchmark.training.convergence import Evidence, judge

CLASSES, TRAIN, DEV = 12, 480, 60
EPOCHS, BATCH, RATE = 18, 16, 0.1
ACCURACIES = (1 / CLASSES, 0.15, 0.20, 0.22, 0.25, 0.30)


class Shares(NamedTuple):
    """Percentages of the simulated probes."""

    nc: float
    overfitted: float
    dev_rule: float
    """Probes that would be NC if dev, which selects the epoch, decided."""


def shares(accuracy: float, probes: int = 300, rate: float = RATE, seed: int = 0) -> Shares:
    """Train probes whose cue is right with this probability; a `rate` of 0 leaves them untrained."""
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(probes):
        history, errors, labels = train(rng, accuracy, rate)
        floor = LossFloor.of(class_losses([[label] for label in labels], CLASSES), TRAIN)
        frequent = np.bincount(labels, minlength=CLASSES).argmax()
        words = at_floor(errors[1], errors[0] != frequent, np.ones(DEV))
        verdict = judge(
            Evidence(
                history=history, loss="train_loss", floor=floor.loss, margin=floor.margin, at_floor=words
            )
        )
        found.append((verdict.status == "NC", verdict.cause == "overfitted", bool(words)))
    return Shares(*(100 * np.mean(found, axis=0)))


def train(
    rng: np.random.Generator, accuracy: float, rate: float
) -> tuple[Sequence[dict[str, float]], tuple[np.ndarray, np.ndarray], np.ndarray]:
    """Train one probe.

    Returns:
        The history, the labels and errors of dev at its best epoch, and the labels of the training set.
    """
    (cues, labels), (dev_cues, dev_labels) = (_draw(rng, accuracy, count) for count in (TRAIN, DEV))
    weights = np.zeros((CLASSES, CLASSES))
    history, best = [], np.ones(DEV)
    for epoch in range(EPOCHS):
        order, losses = rng.permutation(TRAIN), []
        for start in range(0, TRAIN, BATCH):
            rows = order[start : start + BATCH]
            scores = weights[cues[rows]]
            shares = np.exp(scores - scores.max(axis=1, keepdims=True))
            shares /= shares.sum(axis=1, keepdims=True)
            losses.append(-np.log(shares[np.arange(len(rows)), labels[rows]]).mean())
            shares[np.arange(len(rows)), labels[rows]] -= 1
            np.subtract.at(weights, cues[rows], rate * shares)
        errors = weights[dev_cues].argmax(axis=1) != dev_labels
        best = min(best, errors, key=np.sum)
        history.append({"epoch": float(epoch), "train_loss": float(np.mean(losses))})
    return history, (dev_labels, best.astype(float)), labels


def _draw(rng: np.random.Generator, accuracy: float, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw cues and labels; a cue that is not the label by design is any other one."""
    labels = rng.integers(CLASSES, size=count)
    others = (labels + rng.integers(1, CLASSES, size=count)) % CLASSES
    return np.where(rng.random(count) < accuracy, labels, others), labels


def table(probes: int = 300) -> list[str]:
    """Return the lines of the table."""
    lines = [
        "| true accuracy | `NC` | number with the remark *overfitted* | `NC` if dev decided |",
        "| --: | --: | --: | --: |",
    ]
    trained = [(f"{100 * accuracy:.0f} %", shares(accuracy, probes)) for accuracy in ACCURACIES]
    for name, found in [*trained, ("untrained", shares(0.25, probes, rate=0.0))]:
        lines.append(f"| {name} | " + " | ".join(f"{math.floor(x + 0.5)} %" for x in found) + " |")
    return lines


if __name__ == "__main__":
    print("\n".join(table()))
