"""The machine that computes a number: processor, instruction set, GPU, and threads of one computation."""

import json
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from benchmark.storage.atomic_files import write_atomic

MACHINES = "machines.json"
"""File with the machines that trained; several where a killed training went on elsewhere."""
REFERENCE = "AVX2"
"""Instruction set of PyTorch's kernels that keys leave out; `cpu_instructions` sets it on x86-64."""


def processor() -> str:
    """Return the name of the processor's model, or its architecture where Linux lists no name."""
    listing = Path("/proc/cpuinfo")
    lines = listing.read_text().splitlines() if listing.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def instructions() -> str:
    """Return the instruction set of PyTorch's kernels on the CPU, such as "AVX2" or "DEFAULT"."""
    return str(torch.backends.cpu.get_cpu_capability())


def machine(device: str) -> dict[str, str]:
    """Return the names of the processor, its instruction set and, for a CUDA `device`, the GPU."""
    facts = {"processor": processor(), "instructions": instructions()}
    if device.startswith("cuda") and torch.cuda.is_available():
        facts["gpu"] = torch.cuda.get_device_name(device)
    return facts


@contextmanager
def torch_threads(count: int) -> Iterator[None]:
    """Compute with `count` threads within the block; how sums are divided among them changes last digits."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def sign(folder: Path, here: dict[str, Any]) -> None:
    """Add the facts of this machine to those that a killed run of the same training has left."""
    before = read_machines(folder)
    if here not in before:
        write_atomic(folder / MACHINES, json.dumps([*before, here], indent=1))


def read_machines(folder: Path) -> list[dict[str, Any]]:
    """Return the machines that trained the content of a folder; empty for older trainings."""
    path = folder / MACHINES
    machines: list[dict[str, Any]] = json.loads(path.read_text()) if path.exists() else []
    return machines
