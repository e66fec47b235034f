"""A corpus of a few tone-like utterances with codes, and a vocoder small enough for tests."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmark.data.audio import header, write_audio
from benchmark.data.manifest import Manifest
from benchmark.data.mel import LogMel
from benchmark.models.vocoder.config import (
    DiscriminatorConfig,
    FrontendConfig,
    HiFiGANConfig,
    ISTFTConfig,
    LossConfig,
    MelResolution,
    OptimizerConfig,
    PromptConfig,
    VocoderConfig,
)
from benchmark.storage.token_store import TokenStore, TokenWriter
from benchmark.types import TokenizerSpec, Utterance

HOP, VOCABULARY = 320, 24
CONF = Path(__file__).resolve().parents[3] / "conf"


@dataclass(frozen=True)
class Corpus:
    spec: TokenizerSpec
    vectors: torch.Tensor
    tokens: TokenStore
    manifest: Manifest


def tone(seconds: float, pitch: float, rng: np.random.Generator) -> np.ndarray:
    """Return a gliding harmonic sound with a slow envelope."""
    time = np.arange(round(seconds * 16_000)) / 16_000
    phase = 2 * np.pi * pitch * (time + 0.1 * np.sin(2 * np.pi * 1.5 * time + rng.uniform(0, 6)))
    harmonics = sum(np.sin(k * phase) / k for k in range(1, 12))
    return (0.1 * harmonics * (1.2 + np.sin(2 * np.pi * 3 * time))).astype(np.float32)


@pytest.fixture(scope="session")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    """Write seven utterances: five long enough, one too short, one without tokens."""
    folder, rng = tmp_path_factory.mktemp("corpus"), np.random.default_rng(0)
    vectors = torch.randn(2, VOCABULARY, 80, generator=torch.Generator().manual_seed(0)) * 3 - 5
    analysis = LogMel(1024, HOP, 800, 80, center=False)
    writer = TokenWriter(folder, 2, VOCABULARY)
    utterances = []
    for number, seconds in enumerate((0.9, 1.0, 1.1, 1.3, 1.5, 0.3, 1.2)):
        wav, name = tone(seconds, 110 + 25 * number, rng), f"u{number}"
        path = folder / f"{name}.flac"
        write_audio(path, wav)
        utterances.append(Utterance(name, str(path), f"s{number % 2}", *header(path)))
        frames = analysis(torch.from_numpy(wav)[None])[0].T
        codes = torch.stack([torch.cdist(frames, book).argmin(dim=1) for book in vectors])
        if number == 6:
            writer.fail(name, "no reason")
        else:
            writer.add(name, codes.numpy())
    writer.close()
    spec = TokenizerSpec("toy", "acoustic", 16_000, 50.0, (VOCABULARY,) * 2, False, False, True)
    return Corpus(spec, vectors, TokenStore(folder), Manifest(utterances))


@pytest.fixture(scope="session")
def small_hifigan() -> HiFiGANConfig:
    return HiFiGANConfig(channels=32, resblock_kernels=(3, 5), dilations=(1, 3))


@pytest.fixture(scope="session")
def small_discriminators() -> DiscriminatorConfig:
    return DiscriminatorConfig(
        periods=(2, 3), period_channels=(4, 8, 8, 8, 8), scales=2, scale_channels=16, scale_max_channels=32
    )


@pytest.fixture(scope="session")
def make_config() -> Callable[..., VocoderConfig]:
    """Build a tiny config; the arguments are the values under test."""
    defaults = {
        "name": "micro",
        "frontend": FrontendConfig(
            dim=16,
            heads=2,
            feed_forward=24,
            conv_kernel=5,
            conv_norm="layer",
            blocks=(1, 1),
            dropout=0.1,
            table_dim=8,
        ),
        "prompt": PromptConfig(features="mel", prenet="single"),
        "generator": ISTFTConfig(dim=48, hidden=96, blocks=2, kernel=5, n_fft=800, hop_length=160),
        "discriminators": None,
        "losses": LossConfig(
            mel=1.0,
            frontend_mel=0.3,
            frontend_mel_until=1.0,
            resolutions=(MelResolution(n_fft=512, hop_length=256, win_length=512, n_mels=40, floor=1e-5),),
        ),
        "optimizer": OptimizerConfig(lr=1e-3),
        "steps": 8,
        "steps_per_epoch": 2,
        "batch_size": 2,
        "segment_seconds": 0.3,
        "min_seconds": 0.8,
        "max_seconds": 1.4,
    }
    return lambda **changes: VocoderConfig(**{**defaults, **changes})


@pytest.fixture(scope="session")
def shipped() -> Callable[..., VocoderConfig]:
    """Return the vocoder that the command line would configure with these overrides."""
    from hydra import compose, initialize_config_dir

    from benchmark.jobs.build import build

    def shipped(*overrides: str) -> VocoderConfig:
        with initialize_config_dir(str(CONF), version_base="1.3"):
            return build(compose("config", list(overrides)).vocoder)

    return shipped


@pytest.fixture(scope="session")
def wavlm_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Save a WavLM with random weights: three layers of width 32, 50 frames per second."""
    from transformers import Wav2Vec2FeatureExtractor, WavLMConfig, WavLMModel

    folder = tmp_path_factory.mktemp("wavlm")
    torch.manual_seed(0)
    config = WavLMConfig(
        hidden_size=32,
        num_hidden_layers=3,
        num_attention_heads=2,
        intermediate_size=48,
        conv_dim=(16, 16, 16),
        conv_kernel=(10, 8, 8),
        conv_stride=(5, 8, 8),
        num_conv_pos_embeddings=16,
        num_conv_pos_embedding_groups=4,
        feat_extract_norm="layer",
        do_stable_layer_norm=True,
    )
    WavLMModel(config).save_pretrained(folder)
    Wav2Vec2FeatureExtractor(do_normalize=True).save_pretrained(folder)
    return folder
