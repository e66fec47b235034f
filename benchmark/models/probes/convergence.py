"""What surrounds every fit: weights that come from the seed, labels that must exist, a verdict at the end."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from benchmark.errors import UserError
from benchmark.models.probes.data import Labelled
from benchmark.models.probes.diagnosis import diagnose
from benchmark.models.probes.scores import verdict
from benchmark.training.callbacks import read_history
from benchmark.training.trainer import save_report


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Initial weights from `seed`, the caller's generator untouched."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield


def require_labels(train: Labelled, dev: Labelled, label: str) -> None:
    """Raise UserError where a split has no utterance to learn from; `label` says in words what of."""
    for split, labelled in (("training", train), ("dev", dev)):
        if not labelled.labels:
            raise UserError(
                f"no {split} utterance has both tokens and {label} (skipped: {labelled.skipped}); "
                "probe this tokenizer on another dataset"
            )


def conclude(
    report: dict[str, Any],
    errors: Sequence[int],
    floor_errors: Sequence[int],
    units: Sequence[int],
    folder: Path,
    infeasible: float = 0.0,
) -> None:
    """Save the report with the verdict, and where it is NC with the cause.

    Args:
        report: From `fit_probe`, and what this probe adds.
        errors: Of the probe on dev, by utterance.
        floor_errors: Of the best constant answer, by utterance.
        units: What errors are counted in, by utterance.
        folder: Of the training.
        infeasible: Share of training utterances that have no CTC alignment.
    """
    history = read_history(folder)
    status, reason = verdict(history, errors, floor_errors, units)
    diagnosis = ""
    if status == "NC":
        losses = [row["train_loss"] for row in history]
        diagnosis, evidence = diagnose(report["codebook"], infeasible, report["untrained_loss"], losses)
        reason = f"{diagnosis} ({evidence}); {reason}"
    save_report(folder, report | {"status": status, "reason": reason, "diagnosis": diagnosis})
