"""Communication between the processes of a training on several devices; a single process needs none.

Every rank draws the same batches and takes its rows of each, so that the effective batch does not depend on
the number of ranks.
"""

from collections.abc import Sequence
from typing import TypeVar

import torch
from torch import distributed
from torch.distributed.nn.functional import all_reduce

Row = TypeVar("Row")


def rank_and_world() -> tuple[int, int]:
    """Return the rank of this process and the number of processes; 0 and 1 without distributed training."""
    if distributed.is_available() and distributed.is_initialized():
        return distributed.get_rank(), distributed.get_world_size()
    return 0, 1


def own_rows(batch: Sequence[Row]) -> Sequence[Row]:
    """Return this rank's rows of a batch: every world-th one, so that all ranks get rows of similar length.

    With fewer rows than ranks, every rank takes all rows: no rank may stay idle, and the mean over ranks is
    still the mean over rows.
    """
    rank, world = rank_and_world()
    return batch[rank::world] if len(batch) >= world else batch


def over_ranks(tensor: torch.Tensor) -> torch.Tensor:
    """Sum a tensor over all ranks; gradients flow back to each rank."""
    if rank_and_world()[1] == 1:
        return tensor
    summed: torch.Tensor = all_reduce(tensor)
    return summed


def mean_weights(counts: Sequence[int | torch.Tensor], device: torch.device) -> torch.Tensor:
    """Return factors that turn means over this rank's elements into means over the elements of all ranks.

    Gradients and logged values are averaged over ranks with equal weight. A mean over n of the N elements of
    the whole batch is therefore multiplied by world · n / N.

    Args:
        counts: For each mean, the number of elements on this rank, such as rows or frames.
        device: Device of the losses.

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
