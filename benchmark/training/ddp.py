"""Lightning's DDP over processes that are spawned here, or that were started together for the job."""

import json
from typing import Any

import torch
from lightning.fabric.plugins.environments import LightningEnvironment, TorchElasticEnvironment
from lightning.pytorch.strategies import DDPStrategy
from torch import distributed

from benchmark.errors import UserError
from benchmark.training.cluster_environment import World

ONE_EACH = (
    "start one process for each device of each node (srun --nodes --ntasks-per-node, submitit's nodes and "
    "tasks_per_node, torchrun's --nnodes and --nproc-per-node)"
)


class TextDDP(DDPStrategy):
    """Lightning's DDP, by which ranks agree on texts and numbers without pickles."""

    def broadcast(self, obj: Any, src: int = 0) -> Any:
        """Return rank `src`'s `obj`, which must be JSON-able: tensors of bytes go over the network."""
        if not distributed.is_initialized():
            return obj
        content = torch.tensor([*json.dumps(obj).encode()], dtype=torch.uint8, device=self.root_device)
        length = torch.tensor([len(content)], device=self.root_device)
        distributed.broadcast(length, src)
        if self.global_rank != src:
            content = content.new_empty(int(length))
        distributed.broadcast(content, src)
        return json.loads(bytes(content.tolist()))


def ddp(world: World | None, device: str, find_unused_parameters: bool) -> DDPStrategy:
    """A process for each device.

    Without a world they are spawned: started as scripts they would wait for the artifact that this process is
    at, and forked they could use neither CUDA nor threads. A scheduler's variables are then not for us.
    """
    if world is None:
        return TextDDP(
            cluster_environment=LightningEnvironment(),
            start_method="spawn",
            find_unused_parameters=find_unused_parameters,
        )
    world.export()
    return TextDDP(
        cluster_environment=TorchElasticEnvironment(),
        parallel_devices=local_devices(world, device),
        find_unused_parameters=find_unused_parameters,
    )


def use_own_device(world: World) -> None:
    """Let "cuda" mean the GPU of this process, where it sees those of the others on its node as well."""
    count = torch.cuda.device_count()
    if count > 1:
        torch.cuda.set_device(world.local_rank % count)


def local_devices(world: World, device: str) -> list[torch.device]:
    """The device of each process of this node; `device` is "cuda" or "cpu".

    Raises: UserError for fewer GPUs than processes.
    """
    if device == "cpu":
        return [torch.device("cpu")] * world.local_size
    count = torch.cuda.device_count()
    if count == 1:  # the scheduler shows each process its own
        return [torch.device("cuda", 0)] * world.local_size
    if count < world.local_size:
        raise UserError(
            f"{world.local_size} processes were started on this node, and {count} GPUs are there: {ONE_EACH}"
        )
    return [torch.device("cuda", number) for number in range(world.local_size)]


def require(world: World | None, devices: int | str, num_nodes: int | str, device: str) -> None:
    """Check, before the work begins, that the processes that were started are those that were asked for.

    Args:
        world: They.
        devices: Of each node, or "auto".
        num_nodes: Machines, or "auto".
        device: "cuda" or "cpu".

    Raises: UserError where they are not.
    """
    if world is None:
        if num_nodes not in (1, "auto"):
            raise UserError(
                f"trainer.num_nodes={num_nodes}: processes on other nodes are started by srun, submitit or "
                "torchrun, and this one was started alone"
            )
        return
    for name, asked, found in (("devices", devices, world.local_size), ("num_nodes", num_nodes, world.nodes)):
        if asked not in ("auto", found):
            raise UserError(f"trainer.{name}={asked}, but {world}: {ONE_EACH}, or trainer.{name}=auto")
    local_devices(world, device)
