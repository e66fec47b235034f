"""Fixtures of real, synthetic and coded speech that extractors and metrics are tested on."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from hydra.utils import instantiate
from omegaconf import OmegaConf

from benchmark.data.audio import read_audio, resample
from benchmark.data.synthesis.espeak import SYNTHESIS_RATE, synthesize
from benchmark.metrics.base import Metric
from benchmark.tokenizers.opus import Opus
from benchmark.types import SAMPLE_RATE

CONF = Path(__file__).resolve().parents[1] / "conf" / "metric"
METRIC_YAMLS = {"_".join(path.relative_to(CONF).with_suffix("").parts): path for path in CONF.rglob("*.yaml")}
"""Files by the name of the metric or preset: `versa/pesq.yaml` holds `versa_pesq`."""

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


@pytest.fixture(scope="session")
def synthetic() -> np.ndarray:
    """2 s of eSpeak."""
    pytest.importorskip("espeakng_loader")
    samples = synthesize("turn the lights in the kitchen off", "en-us", "f2")
    return resample(samples.astype(np.float32) / 32768, SYNTHESIS_RATE, SAMPLE_RATE)


@pytest.fixture(scope="session")
def coded(clips: dict[str, np.ndarray], synthetic: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """Speech and what Opus makes of it at 6 and 12 kbit/s: three real clips and a synthetic one."""
    wavs = [*list(clips.values())[::2], synthetic]
    return [(wav, opus(wav, rate)) for wav, rate in zip(wavs, (6_000, 6_000, 12_000, 12_000), strict=True)]


def opus(wav: np.ndarray, bitrate: int) -> np.ndarray:
    tokenizer = Opus(name="opus", bitrate=bitrate)
    batch, lengths = torch.from_numpy(wav)[None], torch.tensor([len(wav)])
    return tokenizer.decode(*tokenizer.encode(batch, lengths), lengths)[0].numpy()


@pytest.fixture(scope="session")
def metric() -> Callable[[str], Metric]:
    """The metric of a yaml that refers to no other one."""
    return lambda name: instantiate(OmegaConf.load(METRIC_YAMLS[name])[name], _convert_="all")
