"""Fixtures of the comparisons with other implementations.

Each comparison loads the same random weights into the benchmark's tokenizer, through the loader of published
weights, and into the other implementation, under that implementation's parameter names.
"""

import os
import runpy
from collections.abc import Callable
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import pytest
import torch
from hydra import compose, initialize_config_dir

from benchmark.jobs.build import build
from benchmark.tokenizers.pretrained import Pretrained

ROOT = Path(__file__).resolve().parents[2]
TOKENIZERS = ROOT / "tests" / "tokenizers"

_shared = runpy.run_path(str(TOKENIZERS / "conftest.py"))
real_speech, same_codes, short_speech, voice = (
    _shared[name] for name in ("real_speech", "same_codes", "short_speech", "voice")
)


@pytest.fixture
def on_random_weights(tmp_path: Path) -> Callable[..., Pretrained]:
    """Return a function that builds the tokenizer of a yaml on a small checkpoint with random weights."""

    def make(name: str, **changed: object) -> Pretrained:
        with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
            node = compose("config", overrides=[f"tokenizer={name}"]).tokenizer
        tokenizer = replace(build(node), **changed)
        folder = tmp_path / name
        folder.mkdir()
        module = type(tokenizer).__module__.rpartition(".")[2]
        with torch.random.fork_rng():
            torch.manual_seed(0)
            runpy.run_path(str(TOKENIZERS / "weights" / f"{module}.py"))["write"](tokenizer, folder)
        return replace(tokenizer, checkpoint=str(folder), revision=None)

    return make


@pytest.fixture
def speech(short_speech: list[torch.Tensor], request: pytest.FixtureRequest) -> list[torch.Tensor]:
    """Return utterances (T,) at 16 kHz: the repository's two; for the table, LibriSpeech test-other's too."""
    if "CONFORMANCE_ROWS" not in os.environ:
        return short_speech
    try:
        long = request.getfixturevalue("real_speech")
    except pytest.skip.Exception:
        return short_speech
    return short_speech + [torch.from_numpy(wav) for wav in long]


@pytest.fixture(scope="session")
def label() -> Callable[[str], str]:
    """Return a function that gives a peer's name in the table: its distribution and version."""
    return lambda distribution: f"{distribution} {version(distribution)}"
