"""The processes that torchrun, SLURM or submitit has started for one job, as the environment tells of them.

Nothing heavy is imported: every process asks, whether it trains or not.
"""

import os
import random
import re
from collections.abc import Mapping
from dataclasses import dataclass

from benchmark.errors import UserError

PORTS = 20_000, 60_000
"""Where processes that were given no MASTER_PORT meet, by the number of their job."""


@dataclass(frozen=True, kw_only=True)
class World:
    """Several processes that run the same command, seen by one of them."""

    rank: int
    size: int
    local_rank: int
    """Number of this process on its node."""
    local_size: int
    """Processes on every node."""
    node: int
    address: str
    """Of the node where rank 0 runs."""
    port: int

    def __post_init__(self) -> None:
        """Raise UserError for nodes that differ in their processes."""
        if self.size % self.local_size:
            raise UserError(
                f"{self.size} processes were started, {self.local_size} of them on one node: each node needs "
                "the same number (srun --ntasks-per-node, submitit's tasks_per_node, --nproc-per-node)"
            )

    @property
    def nodes(self) -> int:
        """Machines."""
        return self.size // self.local_size

    def export(self) -> None:
        """Set the variables of torchrun, which Lightning reads, whoever has started the processes."""
        os.environ.update(
            RANK=str(self.rank),
            WORLD_SIZE=str(self.size),
            LOCAL_RANK=str(self.local_rank),
            LOCAL_WORLD_SIZE=str(self.local_size),
            GROUP_RANK=str(self.node),
            MASTER_ADDR=self.address,
            MASTER_PORT=str(self.port),
        )

    def __str__(self) -> str:
        return f"{self.size} processes on {self.nodes} node{'s' * (self.nodes > 1)}"


def started_world() -> World | None:
    """The world that this process was started into; None where it is alone, whatever variables it sees."""
    world = _by_torch(os.environ) or _by_submitit(os.environ) or _by_slurm(os.environ)
    return world if world is not None and world.size > 1 else None


def is_follower() -> bool:
    """Whether another process does the work of the job, and this one only takes part in its trainings."""
    world = started_world()
    return world is not None and world.rank > 0


def _by_torch(env: Mapping[str, str]) -> World | None:
    """The variables of torchrun, which other launchers set as well."""
    if not {"RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"} <= env.keys():
        return None
    size = int(env["WORLD_SIZE"])
    local = int(env.get("LOCAL_WORLD_SIZE", size))
    rank = int(env["RANK"])
    return World(
        rank=rank,
        size=size,
        local_rank=int(env.get("LOCAL_RANK", rank % local)),
        local_size=local,
        node=int(env.get("GROUP_RANK", rank // local)),
        address=env["MASTER_ADDR"],
        port=int(env["MASTER_PORT"]),
    )


def _by_submitit(env: Mapping[str, str]) -> World | None:
    """The tasks of a submitit job, on a cluster or as processes of this machine."""
    if "SUBMITIT_EXECUTOR" not in env:
        return None
    from submitit import JobEnvironment
    from submitit.helpers import TorchDistributedEnvironment

    job = JobEnvironment()
    if job.num_tasks == 1:
        return None
    found = TorchDistributedEnvironment()
    return World(
        rank=found.rank,
        size=found.world_size,
        local_rank=found.local_rank,
        local_size=found.local_world_size,
        node=job.node,
        address=found.master_addr,
        port=found.master_port,
    )


def _by_slurm(env: Mapping[str, str]) -> World | None:
    """The tasks of an srun: a batch script itself has SLURM_NTASKS, but no step, and is one process."""
    if "SLURM_STEP_NUM_TASKS" not in env or "SLURM_PROCID" not in env:
        return None
    size, rank = int(env["SLURM_STEP_NUM_TASKS"]), int(env["SLURM_PROCID"])
    place = f"{env.get('SLURM_JOB_ID', '')}.{env.get('SLURM_STEP_ID', '')}"
    return World(
        rank=rank,
        size=size,
        local_rank=int(env["SLURM_LOCALID"]),
        local_size=_tasks_per_node(env["SLURM_STEP_TASKS_PER_NODE"]),
        node=int(env["SLURM_NODEID"]),
        address=env.get("MASTER_ADDR") or _first_host(env["SLURM_STEP_NODELIST"]),
        port=int(env.get("MASTER_PORT") or random.Random(place).randint(*PORTS)),
    )


def _tasks_per_node(text: str) -> int:
    """4 of "4" and "4(x3)".

    Raises: UserError where nodes differ, as in "4,3".
    """
    found = re.fullmatch(r"(\d+)(\(x\d+\))?", text)
    if found is None:
        raise UserError(
            f"SLURM has started {text} tasks on the nodes of this step, and each node needs the same number: "
            "say --ntasks-per-node"
        )
    return int(found[1])


def _first_host(nodes: str) -> str:
    """The host gpu07 of the list gpu[07-09,12],login1."""
    return re.sub(r"\[(\d+)[^]]*\]", r"\1", nodes).partition(",")[0]
