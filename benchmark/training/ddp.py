"""Lightning's DDP over processes that this process spawns, or that a launcher started for the job."""

import json
from typing import Any

import torch
from lightning.fabric.plugins.environments import LightningEnvironment, TorchElasticEnvironment
from lightning.fabric.plugins.environments.lightning import find_free_network_port
from lightning.pytorch.strategies import DDPStrategy
from torch import distributed

from benchmark.training.cluster_environment import World
from benchmark.training.devices import local_devices


class TextDDP(DDPStrategy):
    """Lightning's DDP strategy, which broadcasts JSON instead of pickles."""

    def broadcast(self, obj: Any, src: int = 0) -> Any:
        """Return the `obj` of rank `src`, which must be JSON-able; it is sent as a tensor of bytes."""
        if not distributed.is_initialized():
            return obj
        content = torch.tensor([*json.dumps(obj).encode()], dtype=torch.uint8, device=self.root_device)
        length = torch.tensor([len(content)], device=self.root_device)
        distributed.broadcast(length, src)
        if self.global_rank != src:
            content = content.new_empty(int(length))
        distributed.broadcast(content, src)
        return json.loads(bytes(content.tolist()))


class SpawnedProcesses(LightningEnvironment):
    """Environment of spawned processes, which meet at a port that is free when their training begins.

    Lightning would take the port of the variable MASTER_PORT, which the first training of a sweep sets. Any
    other program may have that port by the time of the second training.
    """

    @property
    def main_port(self) -> int:
        """Port of rank 0, chosen once and then sent to the spawned processes."""
        if self._main_port == -1:
            self._main_port = find_free_network_port()
        return self._main_port


def ddp(world: World | None, device: str, find_unused_parameters: bool) -> DDPStrategy:
    """Build a DDP strategy with one process per device.

    Without a world, the processes are spawned. Processes started as scripts would wait for the artifact that
    this process is building, and forked processes could use neither CUDA nor threads. The variables of a
    scheduler are ignored in this case.
    """
    if world is None:
        return TextDDP(
            cluster_environment=SpawnedProcesses(),
            start_method="spawn",
            find_unused_parameters=find_unused_parameters,
        )
    world.export()
    return TextDDP(
        cluster_environment=TorchElasticEnvironment(),
        parallel_devices=local_devices(world, device),
        find_unused_parameters=find_unused_parameters,
    )
