"""Synthetic and real speech for the tokenizers' tests."""

import json
import os
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from benchmark.data.synthesis.voice_like import voice_like

FIXTURES = Path(__file__).with_name("fixtures")


@pytest.fixture(scope="session")
def voice() -> Callable[..., np.ndarray]:
    """Return a function that makes speech-like sound: samples and a seed to (T,) float32."""
    return voice_like


@pytest.fixture(scope="session")
def real_speech(shared: Path) -> list[np.ndarray]:
    """Return at most eight seconds of one LibriSpeech test-other utterance of each speaker."""
    folder = shared / "data" / "LibriSpeech" / "test-other"
    if not folder.is_dir():
        pytest.skip("LibriSpeech test-other is not in the shared data folder")
    files = [sorted(speaker.rglob("*.flac"))[0] for speaker in sorted(folder.iterdir())]
    return [soundfile.read(file, dtype="float32")[0][:128_000] for file in files]


@pytest.fixture(scope="session")
def short_speech() -> list[torch.Tensor]:
    """Load the repository's two pieces of LibriSpeech test-other (CC BY 4.0), (T,) float32 at 16 kHz."""
    with np.load(FIXTURES / "speech.npz") as pieces:
        return [torch.from_numpy(pieces[name].astype(np.float32) / 32768) for name in sorted(pieces)]


@pytest.fixture
def same_codes() -> Callable[..., None]:
    """Return a check that compares codes with those of another implementation of the same weights.

    With CONFORMANCE_ROWS=<file> in the environment the counts are appended there, for the table that
    `make test-conformance` writes.
    """

    def check(
        tokenizer: str,
        peer: str,
        pairs: Iterable[tuple[torch.Tensor, torch.Tensor]],
        tolerance: float = 0.0,
        note: str = "",
    ) -> None:
        """Compare `pairs` of (ours, theirs), each (K, T) of an utterance; `peer` has a version or commit."""
        utterances = compared = different = distinct = 0
        for ours, theirs in pairs:
            assert ours.shape == theirs.shape
            utterances += 1
            compared += ours.numel()
            different += int((ours != theirs).sum())
            distinct = max(distinct, len(theirs.unique()))
        assert distinct > 4, "codes that hardly vary prove nothing"
        row = {
            "tokenizer": tokenizer,
            "peer": peer,
            "utterances": utterances,
            "compared": compared,
            "different": different,
            "note": note,
        }
        if path := os.environ.get("CONFORMANCE_ROWS"):
            with Path(path).open("a") as file:
                file.write(json.dumps(row) + "\n")
        assert different <= tolerance * compared, row

    return check
