"""Batches of items of similar length, in an order that does not depend on chance."""

from collections.abc import Sequence

import numpy as np

Numbers = Sequence[int] | np.ndarray


def sorted_batches(lengths: Numbers, batch_size: int, max_frames: int | None = None) -> list[list[int]]:
    """Every index once, longest first, cut as by `cut`: for inference, where order is free."""
    lengths = np.asarray(lengths, np.int64)
    order = np.argsort(-lengths, kind="stable")
    return [batch.tolist() for batch in cut(order, lengths, batch_size, max_frames)]


def cut(
    order: np.ndarray, lengths: np.ndarray, batch_size: int, max_frames: int | None = None
) -> list[np.ndarray]:
    """Batches of items that follow one another in `order`, as views of it.

    Args:
        order: Items, those of similar length side by side.
        lengths: Frames of every item.
        batch_size: Items per batch at most.
        max_frames: Frames per batch at most, counting the padding, unless two items have more.
    """
    starts, held, longest = [], batch_size, 0
    for place, index in enumerate(order):
        longest = max(longest, int(lengths[index]))
        over = max_frames is not None and held >= 2 and longest * (held + 1) > max_frames
        if held == batch_size or over:
            starts.append(place)
            held, longest = 0, int(lengths[index])
        held += 1
    return np.split(order, starts[1:]) if starts else []


def equal_length_batches(lengths: Numbers, batch_size: int) -> list[list[int]]:
    """As `sorted_batches`, but no batch mixes lengths: for models that must not see padding."""
    groups: dict[int, list[int]] = {}
    for index, length in enumerate(lengths):
        groups.setdefault(int(length), []).append(index)
    return [
        group[start : start + batch_size]
        for _, group in sorted(groups.items(), reverse=True)
        for start in range(0, len(group), batch_size)
    ]
