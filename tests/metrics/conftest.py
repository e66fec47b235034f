from pathlib import Path

import numpy as np
import pytest

from benchmark.data.audio import read_audio

CLIP = 45_000


@pytest.fixture(scope="session")
def clips(shared: Path) -> dict[str, np.ndarray]:
    """2.8 s of real speech of three speakers, two clips each, by LibriSpeech id."""
    names = [f"{s}-000{n}" for s in ("1688-142285", "2609-156975", "367-130732") for n in (2, 4)]
    root = shared / "data" / "LibriSpeech" / "test-other"
    return {n: read_audio(root / n.split("-")[0] / n.split("-")[1] / f"{n}.flac")[:CLIP] for n in names}


@pytest.fixture(scope="session")
def speech(clips: dict[str, np.ndarray]) -> np.ndarray:
    return clips["1688-142285-0002"]


@pytest.fixture(scope="session")
def noise() -> np.ndarray:
    """White noise of unit variance, as long as a clip."""
    return np.random.default_rng(0).standard_normal(CLIP).astype(np.float32)
