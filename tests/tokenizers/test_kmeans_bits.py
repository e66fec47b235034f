"""Tests that a fit gives the same bits whatever the threads and instructions of the machine."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FIT = """
import benchmark
import hashlib, sys
import numpy as np, torch
from benchmark.tokenizers.kmeans import fit_residual, quantize
torch.set_num_threads(int(sys.argv[1]))
frames = (np.random.default_rng(0).standard_normal((8000, 40)) * np.linspace(3, 0.2, 40)).astype(np.float32)
frames[:, 0] += 300  # like the outlying dimensions of encoders: float32 distances lose the digits that decide
for levels in (1, 2):
    codebooks, _ = fit_residual(frames, levels, 64, seed=0)
    codes = quantize(torch.from_numpy(frames), torch.from_numpy(codebooks)).numpy()
    print(*(hashlib.sha256(array.tobytes()).hexdigest() for array in (codebooks, codes)))
"""
MACHINES = {
    "two threads": {"OMP_NUM_THREADS": "2", "OPENBLAS_NUM_THREADS": "2", "MKL_NUM_THREADS": "2"},
    "no AVX": {
        "ATEN_CPU_CAPABILITY": "default",
        "MKL_CBWR": "COMPATIBLE",
        "ONEDNN_MAX_CPU_ISA": "SSE41",
        "OPENBLAS_CORETYPE": "Prescott",
    },
    "AVX without FMA": {"MKL_CBWR": "AVX", "OPENBLAS_CORETYPE": "Sandybridge"},
}
ONE = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


def made(threads: int = 1, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", FIT, str(threads)],
        cwd=ROOT,
        env=os.environ | ONE | environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


@pytest.fixture(scope="module")
def here() -> str:
    return made()


@pytest.mark.parametrize("machine", MACHINES)
def test_another_machine_fits_the_same_bits(here: str, machine: str) -> None:
    assert made(2 if machine == "two threads" else 1, **MACHINES[machine]) == here
