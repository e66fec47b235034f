"""Lightning's DDP over processes that are spawned here, or that were started together for the job."""

import torch
from lightning.fabric.plugins.environments import ClusterEnvironment, LightningEnvironment
from lightning.pytorch.strategies import DDPStrategy

from benchmark.errors import UserError
from benchmark.training.cluster_environment import World

ONE_EACH = (
    "start one process for each device of each node (srun --nodes --ntasks-per-node, submitit's nodes and "
    "tasks_per_node, torchrun's --nnodes and --nproc-per-node)"
)


class StartedProcesses(ClusterEnvironment):
    """What Lightning asks of a scheduler, answered by a `World`, whoever has made it."""

    creates_processes_externally = True
    main_address = ""  # `ranks` has made the process group before Lightning would
    main_port = 0

    def __init__(self, world: World) -> None:
        super().__init__()
        self.world = world

    @staticmethod
    def detect() -> bool:
        """Never by itself."""
        return False

    def world_size(self) -> int:
        """Processes in all."""
        return self.world.size

    def global_rank(self) -> int:
        """Number of this one."""
        return self.world.rank

    def local_rank(self) -> int:
        """Its number on its node."""
        return self.world.local_rank

    def node_rank(self) -> int:
        """Number of the node."""
        return self.world.node

    def set_world_size(self, size: int) -> None:
        """It is what it is."""

    def set_global_rank(self, rank: int) -> None:
        """It is what it is."""


def ddp(world: World | None, device: str, find_unused_parameters: bool) -> DDPStrategy:
    """A process for each device.

    Without a world they are spawned: started as scripts they would wait for the artifact that this process is
    at, and forked they could use neither CUDA nor threads. A scheduler's variables are then not for us.
    """
    if world is None:
        return DDPStrategy(
            cluster_environment=LightningEnvironment(),
            start_method="spawn",
            find_unused_parameters=find_unused_parameters,
        )
    return DDPStrategy(
        cluster_environment=StartedProcesses(world),
        parallel_devices=local_devices(world, device),
        find_unused_parameters=find_unused_parameters,
    )


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
