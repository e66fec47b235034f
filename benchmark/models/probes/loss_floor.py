"""Training loss of the best answer that ignores the codes: the floor that a probe's own loss must leave.

The answer is one distribution over the labels, the same for every label or frame, fitted to the training
labels.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np
import torch
from scipy.optimize import minimize_scalar
from torch.nn.functional import ctc_loss

from benchmark.models.probes.data import Labelled
from benchmark.models.probes.normalize import BLANK

SAMPLE = 2000
"""Training utterances, evenly spaced, that the floor is computed on."""
CTC_SAMPLE = 50
"""The same for CTC, whose loss costs the most to compute."""
STANDARD_ERRORS = 3.0
"""Margin below the floor, in standard errors of an epoch's mean. An epoch of a probe that ignores its codes
crosses it in one of 700 cases."""


@dataclass(frozen=True)
class LossFloor:
    """Mean loss of the constant answer, and how far below it chance could take the mean of an epoch."""

    loss: float
    margin: float

    @classmethod
    def of(cls, losses: np.ndarray, utterances: int) -> "LossFloor":
        """Return the floor of losses by utterance (N,) for epochs of this many utterances."""
        return cls(float(losses.mean()), STANDARD_ERRORS * float(losses.std() / np.sqrt(utterances)))


def spaced(train: Labelled, most: int) -> list[tuple[list[int], int]]:
    """Return labels and frames of at most `most` utterances, evenly spaced over the split."""
    apart = -(-len(train.labels) // most)
    keys = islice(train.labels, 0, None, apart)
    return [(train.labels[key], int(n)) for key, n in zip(keys, train.frames[::apart], strict=True)]


def class_losses(sequences: Iterable[Sequence[int]], outputs: int, smoothing: float = 0.0) -> np.ndarray:
    """Return the cross-entropy (N,) of the best constant distribution, averaged over each sequence's labels.

    Args:
        sequences: Numbers of the classes, from 0; an empty sequence has a loss of 0.
        outputs: Number of classes.
        smoothing: Share of the target's probability that is spread over all classes.
    """
    counts = np.stack([np.bincount(np.asarray(row, np.int64), minlength=outputs) for row in sequences])
    shares = counts / np.maximum(1, counts.sum(axis=1, keepdims=True))
    targets = (1 - smoothing) * shares + smoothing / outputs * (counts.sum(axis=1, keepdims=True) > 0)
    best = targets.sum(axis=0) / targets.sum()
    losses: np.ndarray = -(targets @ np.log(np.maximum(best, np.finfo(float).tiny)))
    return losses


def ctc_losses(utterances: Sequence[tuple[Sequence[int], int]], outputs: int) -> np.ndarray:
    """Return the CTC loss per label (N,) of a distribution that is the same in every frame.

    The labels share their probability as they share the texts; the blank's probability is the best one.

    Args:
        utterances: Labels, and frames after upsampling; utterances without an alignment have a loss of 0, as
            in training.
        outputs: Number of labels, the blank included.
    """
    lengths = torch.tensor([frames for _, frames in utterances])
    counts = torch.tensor([len(labels) for labels, _ in utterances])
    targets = torch.tensor([label for labels, _ in utterances for label in labels])
    shares = torch.bincount(targets, minlength=outputs) / len(targets)

    def losses(blank: float) -> np.ndarray:
        constant = (1 - blank) * shares
        constant[BLANK] = blank
        frames = constant.clamp(min=1e-12).log().expand(int(lengths.max()), len(utterances), outputs)
        whole = ctc_loss(frames, targets, lengths, counts, BLANK, "none", zero_infinity=True)
        result: np.ndarray = (whole / counts).numpy()
        return result

    best = minimize_scalar(lambda blank: losses(blank).mean(), bounds=(0, 1), options={"xatol": 0.01})
    return losses(float(best.x))
