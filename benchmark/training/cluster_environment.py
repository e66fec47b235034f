"""The processes that torchrun, SLURM or submitit started for one job, read from environment variables.

This module imports no heavy library, because every process uses it, including those that never train.
"""

import os
import random
import re
from collections.abc import Mapping
from dataclasses import dataclass

from benchmark.errors import UserError

PORTS = 20_000, 32_000
"""Range of the rendezvous port where MASTER_PORT is not set; the id of the SLURM step selects the port.

It lies below the ports that Linux gives to outgoing connections, which could take the port meanwhile.
"""


@dataclass(frozen=True, kw_only=True)
class World:
    """All processes that a launcher started with one command, and the place of this process among them."""

    rank: int
    size: int
    local_rank: int
    """Number of this process on its node."""
    local_size: int
    """Processes on every node."""
    node: int
    address: str
    """Host name of the node on which rank 0 runs."""
    port: int

    def __post_init__(self) -> None:
        """Raise UserError if the nodes run different numbers of processes."""
        if self.size % self.local_size:
            raise UserError(
                f"{self.size} processes were started, {self.local_size} of them on one node: each node needs "
                "the same number (srun --ntasks-per-node, submitit's tasks_per_node, --nproc-per-node)"
            )

    @property
    def nodes(self) -> int:
        """Number of nodes (machines)."""
        return self.size // self.local_size

    def export(self) -> None:
        """Set the environment variables of torchrun, which Lightning reads, for processes of any launcher."""
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
    """Return the world of this process, or None if it runs alone, whatever launcher variables are set."""
    world = _by_torch(os.environ) or _by_submitit(os.environ) or _by_slurm(os.environ)
    return world if world is not None and world.size > 1 else None


def is_follower() -> bool:
    """Return whether this process only takes part in the trainings of a job that rank 0 runs."""
    world = started_world()
    return world is not None and world.rank > 0


def _by_torch(env: Mapping[str, str]) -> World | None:
    """Read the world from the variables of torchrun, which other launchers set as well."""
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
    """Read the world from a submitit job, whose tasks run on a cluster or as processes of this machine."""
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
    """Read the world from a step of srun.

    A batch script itself is one process: SLURM_NTASKS is set in it, but no variable of a step.
    """
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
    """Return the tasks per node: 4 for "4" and for "4(x3)".

    Raises: UserError if the nodes differ, as in "4,3".
    """
    found = re.fullmatch(r"(\d+)(\(x\d+\))?", text)
    if found is None:
        raise UserError(
            f"SLURM has started {text} tasks on the nodes of this step, and each node needs the same number: "
            "say --ntasks-per-node"
        )
    return int(found[1])


def _first_host(nodes: str) -> str:
    """Return the first host of SLURM's list: gpu07 for gpu[07-09,12],login1."""
    return re.sub(r"\[(\d+)[^]]*\]", r"\1", nodes).partition(",")[0]
