"""Forced alignment of a text's phones to the frame-wise output of a CTC model (Graves et al., 2006)."""

from collections.abc import Container, Sequence
from itertools import pairwise

import numpy as np
import torch
from torchaudio.functional import forced_align, merge_tokens

from benchmark.extractors.phones.segments import SILENCE, Phones, join_spans

REACH = 0.08
"""Seconds by which phones extend into silence, because CTC marks their middle and rarely their edges."""
PAUSE = 0.30
"""Seconds without a phone from which on a gap between two phones counts as silence."""


class AlignmentError(Exception):
    """An error of one utterance, which counts as failed while the others are still aligned."""


def spell_with(vocabulary: Container[str], phones: Sequence[str]) -> list[str]:
    """Return the phones in a model's own labels: unchanged, with or without a length mark, or in parts.

    Raises:
        AlignmentError: no label fits a phone.
    """
    return [label for phone in phones for label in _find_labels(vocabulary, phone)]


def _find_labels(vocabulary: Container[str], phone: str) -> list[str]:
    for label in (phone, phone.removesuffix("ː"), f"{phone}ː"):
        if label in vocabulary:
            return [label]
    for cut in range(len(phone) - 1, 0, -1):  # the longest known part first
        if phone[:cut] in vocabulary:
            return [phone[:cut], *_find_labels(vocabulary, phone[cut:])]
    raise AlignmentError(f"the model has no label for the phone {phone!r}")


def align(log_probabilities: torch.Tensor, targets: Sequence[int], blank: int) -> list[tuple[int, int]]:
    """Return the first and last (exclusive) frame of each target on the best path through (T, V) frames.

    Raises:
        AlignmentError: there is no target, or the targets do not fit into the frames.
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


def fill_gaps(
    labels: Sequence[str], spans: Sequence[tuple[int, int]], hop: float, first: float, duration: float
) -> Phones:
    """Return phones without gaps from the spans of an alignment.

    A short gap between two phones is divided equally between them. In a pause and at both ends of the
    utterance, phones are extended by `REACH`, and the rest is silence.

    Args:
        labels: Labels of the phones.
        spans: Frames of the phones, from `align`.
        hop: Seconds from one frame to the next.
        first: Start of the first frame in seconds.
        duration: Duration of the utterance in seconds.
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
    return join_spans(names, np.array(ends))
