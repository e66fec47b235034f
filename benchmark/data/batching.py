"""Deterministic batches of items of similar length."""

from collections.abc import Sequence
from typing import Literal

import numpy as np

Numbers = Sequence[int] | np.ndarray
Order = Literal["bucketed", "random", "ascending"]
"""Order of training items: batches of similar length in random order, random items, or items by length."""


def sorted_batches(lengths: Numbers, batch_size: int, max_frames: int | None = None) -> list[list[int]]:
    """Return batches of all indices, longest items first and cut like `cut`; for inference in any order."""
    lengths = np.asarray(lengths, np.int64)
    order = np.argsort(-lengths, kind="stable")
    return [batch.tolist() for batch in cut(order, lengths, batch_size, max_frames)]


def cut(
    order: np.ndarray, lengths: np.ndarray, batch_size: int, max_frames: int | None = None
) -> list[np.ndarray]:
    """Cut `order` into batches of consecutive items, and return views of it.

    Args:
        order: Indices of the items, with items of similar length side by side.
        lengths: Frames of every item.
        batch_size: Upper limit on the items of a batch.
        max_frames: Upper limit on the frames of a batch, padding included; two items may exceed it.
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
    """Return batches like `sorted_batches`, but of equal lengths, for models that must not see padding."""
    groups: dict[int, list[int]] = {}
    for index, length in enumerate(lengths):
        groups.setdefault(int(length), []).append(index)
    return [
        group[start : start + batch_size]
        for _, group in sorted(groups.items(), reverse=True)
        for start in range(0, len(group), batch_size)
    ]
