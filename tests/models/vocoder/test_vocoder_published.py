"""The networks against their published implementations: same weights, same numbers; and the published sizes.

Upstreams: X-LANCE/LSCodec-Inference @ 34aa506 (alpha; discriminators, too) and X-LANCE/UniCATS-CTX-vec2wav @
3233f55, whose frontend has the auxiliary branch.
"""

import runpy
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from benchmark.errors import UserError
from benchmark.models.vocoder.config import (
    AuxiliaryConfig,
    DiscriminatorConfig,
    FrontendConfig,
    HiFiGANConfig,
    PromptConfig,
    VocoderConfig,
)
from benchmark.models.vocoder.discriminators import Discriminators
from benchmark.models.vocoder.frontend import Frontend, TokenVectors
from benchmark.models.vocoder.generator import HiFiGANGenerator
from benchmark.models.vocoder.mel import N_MELS
from benchmark.models.vocoder.prenet import build_prenet
from benchmark.models.vocoder.published import load_published, published_names

HERE = Path(__file__).parent
FRONTEND = FrontendConfig(dim=24, heads=2, feed_forward=40)
DISCRIMINATORS = DiscriminatorConfig(
    period_channels=(2, 8, 32, 32, 32), scale_channels=16, scale_max_channels=64
)
TOLERANCE = 1e-4
"""Largest difference allowed. Found: 2e-6 here, 4e-6 at the published widths, none in the generator."""
seeded_state = runpy.run_path(str(HERE.parents[1] / "tokenizers" / "seeded.py"))["seeded_state"]


@pytest.fixture(scope="module")
def upstream() -> dict[str, torch.Tensor]:
    """Load the outputs of upstream's modules in eval mode.

    The inputs are `codes`, `codebook` and `prompt`, made of two pieces of real speech, and `speech`. The
    weights are `seeded_state` of upstream's names, with variances made positive.
    """
    with np.load(HERE / "fixtures" / "upstream.npz") as kept:
        return {name: torch.from_numpy(kept[name]) for name in kept}


def published_state(model: nn.Module) -> dict[str, torch.Tensor]:
    own = model.state_dict()
    state = seeded_state({theirs: own[name].shape for name, theirs in published_names(model).items()})
    return {n: t.abs() + 0.5 if n.endswith("running_var") else t for n, t in state.items()}


def loaded(**parts: nn.Module) -> nn.Module:
    model = nn.Module()
    for name, part in parts.items():
        model.add_module(name, part)
    load_published(model, published_state(model))
    return model.eval()


def encoder(
    upstream: dict[str, torch.Tensor], prenet: str, auxiliary: AuxiliaryConfig | None = None
) -> nn.Module:
    codebook = upstream["codebook"].float()
    tokens = TokenVectors([codebook.shape[1]] * 2, 1, codebook)
    return loaded(
        frontend=Frontend(FRONTEND, tokens, auxiliary),
        prenet=build_prenet(PromptConfig(features="mel", prenet=prenet), N_MELS, FRONTEND.dim),
    )


def close(got: torch.Tensor, expected: torch.Tensor) -> None:
    torch.testing.assert_close(got, expected, atol=TOLERANCE, rtol=0)


@torch.no_grad()
@pytest.mark.parametrize("prenet", ["stack", "single"])
def test_frontend_and_prenet_of_alpha(upstream: dict[str, torch.Tensor], prenet: str) -> None:
    model, codes, prompt = encoder(upstream, prenet), upstream["codes"].long(), upstream["prompt"].float()
    mask = torch.ones(prompt.shape[:2], dtype=torch.bool)
    memory = model.prenet(prompt, mask)
    close(memory, upstream[f"prenet_{prenet}"])
    hidden, mel, auxiliary = model.frontend(codes, torch.tensor([codes.shape[-1]]), memory, mask)
    close(hidden, upstream[f"hidden_{prenet}"])
    close(mel, upstream[f"mel_{prenet}"])
    assert auxiliary is None


@torch.no_grad()
@pytest.mark.parametrize("forced", [False, True])
def test_frontend_of_ctx_vec2wav(upstream: dict[str, torch.Tensor], forced: bool) -> None:
    """Hide two frames at each end, which saw padding here: upstream's prenet pads nothing."""
    model, codes = encoder(upstream, "single", AuxiliaryConfig()), upstream["codes"].long()
    prompt = upstream["prompt"].float()
    mask = torch.ones(prompt.shape[:2], dtype=torch.bool)
    memory = model.prenet(prompt, mask)
    mask[:, :2] = mask[:, -2:] = False
    true, name = (upstream["auxiliary_true"], "forced") if forced else (None, "predicted")
    hidden, mel, auxiliary = model.frontend(codes, torch.tensor([codes.shape[-1]]), memory, mask, true)
    close(hidden, upstream[f"hidden_{name}"])
    close(mel, upstream[f"mel_{name}"])
    close(auxiliary, upstream[f"auxiliary_{name}"])


@torch.no_grad()
@pytest.mark.parametrize("hop", [160, 320])
def test_generator(upstream: dict[str, torch.Tensor], hop: int) -> None:
    generator = loaded(generator=HiFiGANGenerator(HiFiGANConfig(channels=32), FRONTEND.dim, hop)).generator
    expected = upstream[f"wav_{hop}"]
    hidden = upstream["hidden_stack"][:, : expected.shape[1] // hop].transpose(1, 2)
    close(generator(hidden), expected)
    generator.finalise()
    close(generator(hidden), expected)


@torch.no_grad()
def test_discriminators(upstream: dict[str, torch.Tensor]) -> None:
    """Compare sums, sums of magnitudes and up to 48 evenly spaced values of every layer's output."""
    model = loaded(discriminators=Discriminators(DISCRIMINATORS)).discriminators
    outputs = [layer.flatten() for part in model(upstream["speech"] / 32_768) for layer in part]
    close(torch.cat([x[:: max(1, len(x) // 48)][:48] for x in outputs]), upstream["feature_samples"])
    sums = torch.tensor([[x.double().sum(), x.double().abs().sum()] for x in outputs], dtype=torch.float64)
    torch.testing.assert_close(sums, upstream["feature_sums"], atol=1e-3, rtol=1e-5)


def test_weights_of_another_model_are_refused(upstream: dict[str, torch.Tensor]) -> None:
    model = encoder(upstream, "stack")
    state = published_state(model)
    with pytest.raises(UserError, match=r"1 \(frontend.mel_proj.bias…\) missing, none left over"):
        load_published(model, {n: t for n, t in state.items() if n != "frontend.mel_proj.bias"})
    with pytest.raises(UserError, match=r"none missing, 1 \(frontend.aux_proj.bias…\) left over"):
        load_published(model, {**state, "frontend.aux_proj.bias": torch.zeros(3)})
    with pytest.raises(UserError, match=r"frontend.mel_proj.bias has the shape \(81,\)"):
        load_published(model, {**state, "frontend.mel_proj.bias": torch.zeros(81)})


def _millions(*modules: nn.Module) -> float:
    """Count parameters in millions, without the magnitudes that weight norm splits off in training."""
    parameters = [pair for module in modules for pair in module.named_parameters()]
    return sum(p.numel() for name, p in parameters if not name.endswith("original0")) / 1e6


def test_every_part_has_the_published_size(shipped: Callable[..., VocoderConfig]) -> None:
    """Check sizes within 1 %, for vq-wav2vec's two groups of 320 vectors and WavLM-large's 1024 features."""
    alpha, ctx = shipped("vocoder=ctx_vec2wav_alpha"), shipped("vocoder=ctx_vec2wav")
    with torch.device("meta"):
        frontends = [
            Frontend(c.frontend, TokenVectors((320, 320), 1, torch.zeros(2, 320, 256)), c.auxiliary)
            for c in (alpha, ctx)
        ]
        prenets = [
            build_prenet(c.prompt, features, c.frontend.dim) for c, features in ((alpha, 1024), (ctx, N_MELS))
        ]
        fast, slow = (HiFiGANGenerator(alpha.generator, alpha.frontend.dim, hop) for hop in (160, 320))
        discriminators = Discriminators(alpha.discriminators)
    blocks = [block for e in (frontends[0].encoder1, frontends[0].encoder2) for block in e.blocks]
    published = {
        "Conformer block": (3.81, [blocks[0]]),
        "four Conformer blocks": (15.2, blocks),
        "frontend of alpha": (17.28, [frontends[0], prenets[0]]),
        "frontend of CTX-vec2wav": (15.47, [frontends[1], prenets[1]]),
        "generator at 100 Hz": (14.10, [fast]),
        "generator at 50 Hz": (14.82, [slow]),
        "CTX-vec2wav": (29.6, [frontends[1], prenets[1], fast]),
        "period discriminators": (41.1, [discriminators.periods]),
        "scale discriminators": (29.6, [discriminators.scales]),
    }
    for name, (millions, modules) in published.items():
        assert _millions(*modules) == pytest.approx(millions, rel=0.01), name
