"""Steps around every probe training: seeded initial weights, required labels, and the final verdict."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import torch

from benchmark.errors import UserError
from benchmark.models.probes.data import Labelled
from benchmark.models.probes.scores import at_floor
from benchmark.training.callbacks import read_history
from benchmark.training.convergence import Evidence, judge
from benchmark.training.report import save_report


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Draw initial weights from `seed` without touching the caller's random generator."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield


def require_labels(train: Labelled, dev: Labelled, label: str) -> None:
    """Raise UserError when a split has no labelled utterance; `label` names the label in words."""
    for split, labelled in (("training", train), ("dev", dev)):
        if not labelled.labels:
            raise UserError(
                f"no {split} utterance has both tokens and {label} (skipped: {labelled.skipped}); "
                "probe this tokenizer on another dataset"
            )


class DevErrors(NamedTuple):
    """Errors on dev of a probe and of the best constant answer, by utterance.

    Attributes:
        own: Errors of the probe.
        floor: Errors of the constant answer.
        units: Number of units that errors are counted in (words, frames, or 1).
        report: What the probe's report says of them, JSON-able.
        infeasible: Share of training utterances that have no CTC alignment.
    """

    own: Sequence[int]
    floor: Sequence[int]
    units: Sequence[int]
    report: dict[str, Any]
    infeasible: float = 0.0


def conclude(report: dict[str, Any], errors: DevErrors, folder: Path) -> None:
    """Save the report with status, cause (`diagnosis`) and reason of the verdict, see `training.convergence`.

    Args:
        report: Report of `fit_probe`.
        errors: Errors of the trained probe on dev.
        folder: Folder of the training.
    """
    verdict = judge(
        Evidence(
            history=read_history(folder),
            loss="train_loss",
            floor=report["loss_floor"]["loss"],
            margin=report["loss_floor"]["margin"],
            untrained=report["untrained_loss"],
            at_floor=at_floor(errors.own, errors.floor, errors.units),
            use=report["codebook"],
            infeasible=errors.infeasible,
        )
    )
    found = {"status": verdict.status, "reason": verdict.reason, "diagnosis": verdict.cause}
    save_report(folder, report | errors.report | found)
