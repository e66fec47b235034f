"""Tests that processors with wider instructions compute the same numbers."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmark.training.cpu_instructions import AVX2, _flags, use_avx2

ROOT = Path(__file__).resolve().parents[2]
FLAGS = _flags().split()
TRAINING = """
import benchmark
import hashlib
import numpy as np, torch
torch.set_num_threads(1)
torch.manual_seed(0)
frames = np.random.default_rng(0).standard_normal((4000, 40)).astype(np.float32)
net = torch.nn.Sequential(torch.nn.Conv1d(40, 64, 5), torch.nn.SiLU(), torch.nn.Conv1d(64, 40, 5))
optimizer = torch.optim.Adam(net.parameters(), 1e-3)
batch = torch.from_numpy(frames[:800]).T[None]
for _ in range(5):
    optimizer.zero_grad()
    (net(batch) - batch[..., 4:-4]).abs().mean().backward()
    optimizer.step()
print(*(hashlib.sha256(weight.detach().numpy().tobytes()).hexdigest() for weight in net.parameters()))
"""


def _made(**environment: str) -> str:
    inherited = {name: value for name, value in os.environ.items() if name not in AVX2}
    ended = subprocess.run(
        [sys.executable, "-c", TRAINING],
        cwd=ROOT,
        env=inherited | environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return ended.stdout


@pytest.fixture
def _unset(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in AVX2:
        monkeypatch.setenv(name, "")  # so that the test's changes are undone
        monkeypatch.delenv(name)


@pytest.mark.usefixtures("_unset")
def test_what_the_user_sets_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ATEN_CPU_CAPABILITY", "default")
    use_avx2("fma avx2 avx512f")
    assert {name: os.environ[name] for name in AVX2} == AVX2 | {"ATEN_CPU_CAPABILITY": "default"}


@pytest.mark.usefixtures("_unset")
def test_a_processor_without_avx2_is_asked_for_nothing() -> None:
    use_avx2("fp asimd sve")
    assert not set(AVX2) & set(os.environ)


@pytest.mark.skipif("avx2" not in FLAGS, reason="this processor has no AVX2")
def test_importing_the_package_is_enough() -> None:
    assert _made() == _made(**AVX2)


@pytest.mark.skipif("avx512f" not in FLAGS, reason="this processor has no AVX-512 to hold back")
def test_wider_instructions_give_other_numbers() -> None:
    """Show that the variables are needed: if this test fails, they can be removed."""
    assert _made(ATEN_CPU_CAPABILITY="avx512", ONEDNN_MAX_CPU_ISA="ALL") != _made()
