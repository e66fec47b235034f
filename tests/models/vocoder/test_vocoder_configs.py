"""The vocoders of conf/: each builds, and generator, prompt and discriminators can be chosen separately."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from benchmark.models.vocoder.config import (
    BigVGANConfig,
    DiscriminatorConfig,
    DiscriminatorsConfig,
    FrontendConfig,
    GeneratorConfig,
    HiFiGANConfig,
    ISTFTConfig,
    LossConfig,
    OptimizerConfig,
    PromptConfig,
    VocoderConfig,
)
from benchmark.models.vocoder.discriminators import Discriminators
from benchmark.storage.identity import describe

Shipped = Callable[..., VocoderConfig]
CONF = Path(__file__).resolve().parents[3] / "conf"


def names(group: str) -> list[str]:
    return [path.stem for path in sorted((CONF / group).glob("*.yaml"))]


@pytest.mark.parametrize("name", names("vocoder"))
def test_every_vocoder_builds_at_both_model_rates(shipped: Shipped, name: str) -> None:
    config = shipped(f"vocoder={name}")
    assert config.name == name and config.epochs >= 1
    for hop in (160, 320):
        with torch.device("meta"):
            config.generator.build(config.frontend.dim, 80, hop)


def test_a_generator_without_a_network_is_refused_when_its_config_is_made() -> None:
    for base in (GeneratorConfig, DiscriminatorsConfig):
        bare = type("Bare", (base,), {})
        with pytest.raises(TypeError, match=r"abstract method '?build"):
            bare()


CHOICES = [
    ("ctx_vec2wav_mini", "hifigan", HiFiGANConfig, "wavlm", "mini"),
    ("ctx_vec2wav_libri", "hifigan_mini", HiFiGANConfig, "whisper", "hifigan"),
    ("ctx_vec2wav_mini", "bigvgan", BigVGANConfig, "mel", "mini"),
    ("ctx_vec2wav_alpha", "bigvgan_mini", BigVGANConfig, "whisper", "none"),
    ("vec2wav2", "istft_mini", ISTFTConfig, "mel", "mini"),
]


@pytest.mark.parametrize(("vocoder", "generator", "kind", "prompt", "discriminators"), CHOICES)
def test_parts_are_chosen_apart(
    shipped: Shipped, vocoder: str, generator: str, kind: type, prompt: str, discriminators: str
) -> None:
    before, config = (
        shipped(f"vocoder={vocoder}"),
        shipped(
            f"vocoder={vocoder}",
            f"vocoder/generator={generator}",
            f"vocoder/prompt={prompt}",
            f"vocoder/discriminators={discriminators}",
        ),
    )
    assert isinstance(config.generator, kind) and config.prompt.features == prompt
    assert (config.discriminators is None) == (discriminators == "none")
    chosen = {"generator": config.generator, "prompt": config.prompt, "discriminators": config.discriminators}
    assert describe(replace(before, **chosen)) == describe(config) != describe(before)


def test_no_choice_is_left_out() -> None:
    for part, column in (("generator", 1), ("prompt", 3), ("discriminators", 4)):
        assert {choice[column] for choice in CHOICES} == set(names(f"vocoder/{part}"))


def test_the_small_discriminators_are_eight_too(shipped: Shipped) -> None:
    config = shipped("vocoder/discriminators=mini")
    assert len(Discriminators(config.discriminators)(torch.zeros(1, 4000))) == 8


def test_parts_are_chosen_with_a_profile_and_single_values_with_a_part(shipped: Shipped) -> None:
    config = shipped("profile=libri", "vocoder/generator=hifigan_mini", "vocoder.generator.channels=64")
    assert config.name == "ctx_vec2wav_libri" and config.generator.channels == 64


def test_the_full_size_is_the_published_recipe(shipped: Shipped) -> None:
    config = shipped("vocoder=ctx_vec2wav_alpha")
    published = [
        *(FrontendConfig(), HiFiGANConfig(), DiscriminatorConfig(), LossConfig(), OptimizerConfig()),
        PromptConfig(revision=config.prompt.revision),
    ]
    parts = [
        *(config.frontend, config.generator, config.discriminators, config.losses, config.optimizer),
        config.prompt,
    ]
    assert [describe(part) for part in parts] == [describe(part) for part in published]
    assert config.auxiliary is None
    assert (config.steps, config.segment_seconds, config.adversarial_start) == (1_000_000, 1.0, 0.0)


def test_the_survey_has_batches_of_four_gpus(shipped: Shipped) -> None:
    alpha, config = shipped("vocoder=ctx_vec2wav_alpha"), shipped("vocoder=ctx_vec2wav_survey")
    assert config.batch_seconds == 4 * 36.0 == config.batch_size * config.min_seconds
    batches = {"batch_size": alpha.batch_size, "batch_seconds": alpha.batch_seconds}
    assert describe(replace(config, name=alpha.name, **batches)) == describe(alpha)


def test_ctx_vec2wav_is_alpha_with_a_mel_prompt_and_auxiliary_features(shipped: Shipped) -> None:
    alpha, config = shipped("vocoder=ctx_vec2wav_alpha"), shipped("vocoder=ctx_vec2wav")
    assert config.auxiliary is not None and config.losses.auxiliary == 5.0
    assert (config.prompt.features, config.prompt.prenet) == ("mel", "single")
    common = replace(config, name=alpha.name, auxiliary=None, prompt=alpha.prompt, losses=alpha.losses)
    assert describe(common) == describe(alpha)
