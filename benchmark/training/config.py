"""The config of all trainings: devices, threads, precision and limits, and what keys hold of them."""

from dataclasses import dataclass, field
from typing import Any

import torch

from benchmark.errors import UserError, unknown
from benchmark.training.budget import cap_schedule
from benchmark.training.cluster_environment import World
from benchmark.training.devices import require
from benchmark.training.machine import REFERENCE, instructions

DEFAULT_PRECISION = "32-true"
STRATEGIES = ("auto", "ddp")
ACCELERATORS = ("cpu", "gpu", "cuda")
"""Not auto: a key names the kind of device, so the machine that happens to ask must not choose it."""


@dataclass(frozen=True, kw_only=True)
class TrainerConfig:
    """Devices, precision and limits of all trainings; the config group `trainer` holds the presets.

    `precision`, `max_steps` and what `identity` returns change results, and are part of the keys.
    """

    accelerator: str = "cpu"
    """Kind of device, one of `ACCELERATORS`."""
    threads: int = 1
    """Threads of PyTorch in a training."""
    strategy: str = "auto"
    """auto: one device. ddp: one process per device, each with its rows of every batch. The processes are
    those that srun, submitit or torchrun started for the job, or else processes spawned on this machine."""
    devices: int = 1
    """Devices per node."""
    num_nodes: int = 1
    """Nodes; srun, submitit or torchrun must have started the processes of more than one."""
    precision: str = DEFAULT_PRECISION
    compile: bool = False
    """True passes the vocoder's networks through torch.compile; probes are too small to gain from it."""
    max_steps: int | None = None
    """Maximum number of steps of every training; fractions in its schedule then refer to this maximum."""
    progress_bar: bool = True
    num_workers: int = 0
    loggers: dict[str, Any] = field(default_factory=dict)
    """Lightning loggers by name, in addition to `history.csv`."""

    def __post_init__(self) -> None:
        """Raise UserError for values that no training can use."""
        if self.accelerator not in ACCELERATORS:
            raise unknown("trainer.accelerator", self.accelerator, ACCELERATORS)
        if self.strategy not in STRATEGIES:
            raise unknown("trainer.strategy", self.strategy, STRATEGIES)
        for name in ("threads", "devices", "num_nodes"):
            count = getattr(self, name)
            if not isinstance(count, int) or count < 1:
                raise UserError(f"trainer.{name}={count} must be a whole number, at least 1")
        if self.strategy == "auto" and self.world_size > 1:
            raise UserError(
                f"trainer.devices={self.devices} and trainer.num_nodes={self.num_nodes} with "
                "trainer.strategy=auto: several devices need strategy=ddp, which trainer=ddp sets"
            )
        if self.max_steps is not None and self.max_steps < 1:
            raise UserError(f"trainer.max_steps={self.max_steps} must be at least 1, or null for no cap")

    @property
    def torch_device(self) -> str:
        """Device on which to run a trained module afterwards, "cuda" or "cpu"."""
        return "cuda" if self.on_gpu and torch.cuda.is_available() else "cpu"

    @property
    def on_gpu(self) -> bool:
        """True if trainings run on GPUs, whether or not this machine has any."""
        return self.accelerator != "cpu"

    @property
    def world_size(self) -> int:
        """Number of devices of all nodes."""
        return self.devices * self.num_nodes

    def identity(self) -> dict[str, Any]:
        """Return what trained numbers depend on besides `precision` and `max_steps`: part of keys.

        The content is empty for one thread of a processor with AVX2. It comes from the config, so that all
        machines agree about it; the exception is a CPU's instruction set, which no config can choose.
        """
        content: dict[str, Any] = {"accelerator": "gpu"} if self.on_gpu else {}
        if not self.on_gpu and self.threads != 1:
            content["threads"] = self.threads
        if not self.on_gpu and instructions() != REFERENCE:
            content["instructions"] = instructions()
        if self.world_size > 1:
            content["devices"] = self.world_size
        if self.compile:
            content["compile"] = True
        return content

    def require(self, world: World | None) -> None:
        """Check the started processes against this config, see `devices.require`."""
        require(world, self.devices, self.num_nodes, self.torch_device)

    def require_devices(self) -> None:
        """Check that this machine has the devices of a training whose process was started alone.

        Raises: UserError if it has not.
        """
        if self.num_nodes > 1:
            raise UserError(
                f"trainer.num_nodes={self.num_nodes}: processes on other nodes are started by srun, submitit "
                "or torchrun, and this one was started alone"
            )
        found = torch.cuda.device_count()
        if self.on_gpu and found < self.devices:
            raise UserError(
                f"trainer.accelerator={self.accelerator} trainer.devices={self.devices}, but this machine "
                f"has {found} GPUs: train where they are (stage=train), or give other values, whose results "
                "have other keys"
            )

    def schedule(self, steps_per_epoch: int, epochs: int) -> tuple[int, int]:
        """Return the steps per epoch and the epochs of a training, limited to `max_steps`."""
        return cap_schedule(steps_per_epoch, epochs, self.max_steps)
