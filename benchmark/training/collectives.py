"""Training on several devices: what one process must know of the others; alone, all of it is neutral.

Every rank draws the same batches and takes its rows of each, so that the effective batch does not
depend on how many ranks there are.
"""

from collections.abc import Sequence
from typing import TypeVar

import torch
from torch import distributed
from torch.distributed.nn.functional import all_reduce

Row = TypeVar("Row")


def rank_and_world() -> tuple[int, int]:
    """Number of this process and how many there are."""
    if distributed.is_available() and distributed.is_initialized():
        return distributed.get_rank(), distributed.get_world_size()
    return 0, 1


def own_rows(batch: Sequence[Row]) -> Sequence[Row]:
    """This rank's rows of a batch: every world-th, so that all ranks get rows of similar length.

    Where there are fewer rows than ranks, every rank takes them all: no rank may stay idle, and the
    mean over ranks is still the mean over rows.
    """
    rank, world = rank_and_world()
    return batch[rank::world] if len(batch) >= world else batch


def over_ranks(tensor: torch.Tensor) -> torch.Tensor:
    """The sum of a tensor over all ranks, through which gradients flow back to each."""
    if rank_and_world()[1] == 1:
        return tensor
    summed: torch.Tensor = all_reduce(tensor)
    return summed


def mean_weights(counts: Sequence[int | torch.Tensor], device: torch.device) -> torch.Tensor:
    """Factors that turn means over this rank's elements into the mean over those of all ranks.

    Gradients and logged values are averaged over ranks with equal weight. A mean over n of the N
    elements of the whole batch is therefore multiplied by world · n / N.

    Args:
        counts: Elements that each of several means is taken over here, such as rows or frames.
        device: Where the losses are.

    Returns:
        One float32 factor per count; ones in a single process.
    """
    _, world = rank_and_world()
    if world == 1:
        return torch.ones(len(counts), device=device)
    own = torch.stack([torch.as_tensor(count, device=device, dtype=torch.float32) for count in counts])
    total = own.clone()
    distributed.all_reduce(total)
    return world * own / total
