"""The devices of the processes that a launcher started for one job.

This module imports no Lightning, because every job checks its devices, including those that never train.
"""

import torch

from benchmark.errors import UserError
from benchmark.training.cluster_environment import World

ONE_EACH = (
    "start one process for each device of each node (srun --nodes --ntasks-per-node, submitit's nodes and "
    "tasks_per_node, torchrun's --nnodes and --nproc-per-node)"
)


def use_own_device(world: World) -> None:
    """Make "cuda" the GPU of this process, if the GPUs of other processes on its node are visible as well."""
    count = torch.cuda.device_count()
    if count > 1:
        torch.cuda.set_device(world.local_rank % count)


def local_devices(world: World, device: str) -> list[torch.device]:
    """Return the device of each process of this node; `device` is "cuda" or "cpu".

    Raises: UserError if this node has fewer GPUs than processes.
    """
    if device == "cpu":
        return [torch.device("cpu")] * world.local_size
    count = torch.cuda.device_count()
    if count == 1:  # the scheduler shows each process only its own GPU
        return [torch.device("cuda", 0)] * world.local_size
    if count < world.local_size:
        raise UserError(
            f"{world.local_size} processes were started on this node, and {count} GPUs are there: {ONE_EACH}"
        )
    return [torch.device("cuda", number) for number in range(world.local_size)]


def require(world: World | None, devices: int, num_nodes: int, device: str) -> None:
    """Check before the work begins that the launcher started the processes that the config asks for.

    Args:
        world: The started processes; None if this process was started alone.
        devices: Devices per node that the config asks for.
        num_nodes: Nodes that the config asks for.
        device: "cuda" or "cpu".

    Raises: UserError if the numbers differ.
    """
    if world is None:
        return
    for name, asked, found in (("devices", devices, world.local_size), ("num_nodes", num_nodes, world.nodes)):
        if asked != found:
            raise UserError(
                f"trainer.{name}={asked}, but {world}: {ONE_EACH}, or give trainer.{name}={found}"
            )
    local_devices(world, device)
