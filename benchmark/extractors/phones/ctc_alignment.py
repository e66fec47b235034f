"""Phones in time from the frame-wise output of a CTC model, and the text (Graves et al., 2006)."""

from collections.abc import Container, Sequence
from itertools import pairwise

import numpy as np
import torch
from torchaudio.functional import forced_align, merge_tokens

from benchmark.extractors.phones.segments import SILENCE, Phones, joined

REACH = 0.08
"""Seconds that a phone may reach into a silence beside it: CTC marks its middle, seldom its edges."""
PAUSE = 0.30
"""Seconds without a phone from which on they are a silence between two phones."""


class AlignmentError(Exception):
    """One utterance cannot be aligned; it counts as failed and the rest goes on."""


def spelled_with(vocabulary: Container[str], phones: Sequence[str]) -> list[str]:
    """Phones in a model's own labels: as they are, with or without a length mark, or in parts.

    Raises:
        AlignmentError: a phone is none of it.
    """
    return [label for phone in phones for label in _labels(vocabulary, phone)]


def _labels(vocabulary: Container[str], phone: str) -> list[str]:
    for label in (phone, phone.removesuffix("ː"), f"{phone}ː"):
        if label in vocabulary:
            return [label]
    for cut in range(len(phone) - 1, 0, -1):  # the longest known part first
        if phone[:cut] in vocabulary:
            return [phone[:cut], *_labels(vocabulary, phone[cut:])]
    raise AlignmentError(f"the model has no label for the phone {phone!r}")


def align(log_probabilities: torch.Tensor, targets: Sequence[int], blank: int) -> list[tuple[int, int]]:
    """First and last frame, the latter exclusive, of each target on the best path through (T, V) frames.

    Raises:
        AlignmentError: no target, or more than there are frames for.
    """
    frames = len(log_probabilities)
    repeats = sum(a == b for a, b in pairwise(targets))
    if not targets:
        raise AlignmentError("the transcript has no phone")
    if frames < len(targets) + repeats:
        raise AlignmentError(
            f"{len(targets)} phones, {repeats} of them repeated, do not fit into {frames} frames"
        )
    path, scores = forced_align(
        log_probabilities[None].contiguous(),
        torch.tensor([list(targets)], dtype=torch.int32, device=log_probabilities.device),
        blank=blank,
    )
    return [(span.start, span.end) for span in merge_tokens(path[0], scores[0], blank)]


def widened(
    labels: Sequence[str], spans: Sequence[tuple[int, int]], hop: float, first: float, duration: float
) -> Phones:
    """Phones without gaps: blanks between two are shared in halves; those of a pause, and at the ends, are
    silence but for `REACH` beside each phone.

    Args:
        labels: Of the phones.
        spans: Their frames, as from `align`.
        hop: Seconds from one frame to the next.
        first: Seconds at which the first frame begins.
        duration: Seconds of the utterance.
    """
    times = np.clip(np.array(spans) * hop + first, 0, duration)
    names: list[str] = [SILENCE]
    ends: list[float] = [max(0.0, times[0, 0] - REACH)]
    for label, (_, end), (start, _) in zip(labels, times, times[1:], strict=False):
        names.append(label)
        if start - end < PAUSE:
            ends.append((end + start) / 2)
        else:
            names.append(SILENCE)
            ends += [end + REACH, start - REACH]
    names += [labels[-1], SILENCE]
    ends += [min(duration, times[-1, 1] + REACH), duration]
    return joined(names, np.array(ends))
