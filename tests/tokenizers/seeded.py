"""Weights that any program can compute from names and shapes, so that none need be stored.

Two implementations that load `seeded_state` of the same shapes hold the same weights. A fixture with
upstream's codes then shows whether the benchmark's implementation computes the same.
"""

import hashlib
from collections.abc import Iterable, Mapping

import numpy as np
import torch


def seeded_state(shapes: Mapping[str, Iterable[int]], scale: float = 1.0) -> dict[str, torch.Tensor]:
    """Make a state dict of normal values, drawn per tensor from a generator seeded by the tensor's name.

    Matrices and kernels have the standard deviation scale / √fan_in, so that activations neither
    vanish nor explode; vectors named like a gain (`…weight`, `…weight_g`, `…alpha`) lie around one.
    """
    return {name: _seeded(name, tuple(shape), scale) for name, shape in shapes.items()}


def _seeded(name: str, shape: tuple[int, ...], scale: float) -> torch.Tensor:
    seed = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "little")
    values = np.random.default_rng(seed).standard_normal(shape)
    if len(shape) > 1 and np.prod(shape) > shape[0]:
        values *= scale / np.sqrt(np.prod(shape[1:]))
    else:
        values *= 0.1
        if name.endswith(("weight", "weight_g", "original0", "alpha", "gamma")):
            values += 1.0
    return torch.from_numpy(np.asarray(values, np.float32))
