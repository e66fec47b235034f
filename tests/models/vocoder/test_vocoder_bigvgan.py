"""BigVGAN with adaptive Snake: agreement with vec2wav 2.0, lower memory use, no influence of padding."""

import re
import runpy
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.autograd.graph import saved_tensors_hooks

from benchmark.data.half_band import half_band_filter
from benchmark.models.vocoder.attention import frame_mask
from benchmark.models.vocoder.bigvgan import BigVGANGenerator
from benchmark.models.vocoder.config import BigVGANConfig
from benchmark.models.vocoder.snake import AdaptiveSnake, Ends

HERE = Path(__file__).parent
UPSTREAM = "cantabile-kwok/vec2wav2.0 @ 60ce3de"
seeded_state = runpy.run_path(str(HERE.parents[1] / "tokenizers" / "seeded.py"))["seeded_state"]
DIM, STYLE = 8, 12
SMALL = BigVGANConfig(channels=16, scales_100hz=(8, 5, 3, 2))
TINY = BigVGANConfig(channels=16, resblock_kernels=(3, 5), dilations=(1, 3))
NAMES = (
    (r"^input\.", "conv_pre."),
    (r"^output\.", "conv_post."),
    (r"^activation\.", "activation_post."),
    (r"^upsamplers\.(\d+)\.", r"ups.\1.0."),
    (r"dilated\.", "convs1."),
    (r"plain\.", "convs2."),
    (r"condition\.", "condition_alpha_prenet."),
    (r"(activation_post|activations\.\d+)\.", r"\1.act."),
    (r"parametrizations\.weight\.original0$", "weight_g"),
    (r"parametrizations\.weight\.original1$", "weight_v"),
)


@pytest.fixture(scope="module")
def upstream() -> dict[str, np.ndarray]:
    """Load the reference of upstream's BigVGAN at the sizes SMALL and 24 kHz.

    It holds the output, the gradients of the output's energy, and the parameters of the full size. Weights
    are seeded by name; `weight_g` of the blocks is multiplied by 0.3, without which the blocks amplify
    rounding ten thousand times. At the full size, which takes too long to make here, the output was the same
    within 1.6e-6.
    """
    with np.load(HERE / "fixtures" / "bigvgan.npz") as kept:
        return dict(kept)


def upstream_name(name: str) -> str:
    name = re.sub(
        r"^fields\.(\d+)\.blocks\.(\d+)", lambda found: f"resblocks.{3 * int(found[1]) + int(found[2])}", name
    )
    for ours, theirs in NAMES:
        name = re.sub(ours, theirs, name)
    return name


def gain(name: str) -> float:
    return 0.3 if name.startswith("resblocks") and name.endswith("weight_g") else 1.0


@pytest.fixture
def seeded() -> BigVGANGenerator:
    generator = BigVGANGenerator(SMALL, DIM, STYLE, 240)
    own = generator.state_dict()
    weights = seeded_state({upstream_name(name): tensor.shape for name, tensor in own.items()})
    generator.load_state_dict(
        {name: gain(upstream_name(name)) * weights[upstream_name(name)] for name in own}
    )
    return generator


def make(config: BigVGANConfig = TINY, hop: int = 160) -> BigVGANGenerator:
    """Build a generator whose activations and norms differ from their initial values."""
    torch.manual_seed(0)
    generator = BigVGANGenerator(config, DIM, STYLE, hop)
    with torch.no_grad():
        for name, parameter in generator.named_parameters():
            if name.endswith(("alpha", "beta")):
                parameter.normal_(0, 0.5)
    return generator


def test_output_and_gradients_are_those_of_upstream(
    seeded: BigVGANGenerator, upstream: dict[str, np.ndarray]
) -> None:
    hidden, style = (torch.from_numpy(upstream[name]).requires_grad_() for name in ("hidden", "style"))
    wav = seeded(hidden, style=style)
    torch.testing.assert_close(wav, torch.from_numpy(upstream["wav"]), atol=2e-5, rtol=0)
    wav.square().sum().backward()
    for name, tensor in (("hidden", hidden), ("style", style)):
        expected = torch.from_numpy(upstream[f"{name}_gradient"])
        torch.testing.assert_close(tensor.grad, expected, atol=2e-4, rtol=1e-4)


def test_it_has_the_published_size(upstream: dict[str, np.ndarray]) -> None:
    with torch.device("meta"):
        generator = BigVGANGenerator(BigVGANConfig(scales_100hz=(8, 5, 3, 2)), 184, 1024, 240)
    sizes = {name: p.numel() for name, p in generator.named_parameters() if not name.endswith("original0")}
    assert sum(sizes.values()) == upstream["parameters"] == pytest.approx(23.0e6, rel=0.01)


@pytest.mark.parametrize("hop", [160, 320])
def test_length_is_frames_times_hop_and_padding_leaves_no_trace(hop: int) -> None:
    generator = make(hop=hop).eval()
    hidden, style = torch.randn(3, DIM, 13), torch.randn(3, STYLE)
    lengths = torch.tensor([13, 7, 1])
    wav = generator(hidden, frame_mask(lengths, 13), style)
    assert wav.shape == (3, 13 * hop)
    for row, length in enumerate(lengths.tolist()):
        alone = generator(hidden[row : row + 1, :, :length], style=style[row : row + 1])
        assert alone.shape == (1, length * hop) and alone.std() > 1e-3
        torch.testing.assert_close(wav[row, : length * hop], alone[0], atol=1e-5, rtol=1e-4)


def test_the_style_is_heard_and_needed() -> None:
    generator, hidden = make().eval(), torch.randn(1, DIM, 5)
    wavs = [generator(hidden, style=torch.full((1, STYLE), value)) for value in (0.0, 1.0)]
    assert (wavs[0] - wavs[1]).abs().max() > 1e-3
    with pytest.raises(ValueError, match="style"):
        generator(hidden)


def test_folding_the_weight_norm_changes_nothing() -> None:
    generator, hidden, style = make(), torch.randn(1, DIM, 5), torch.randn(1, STYLE)
    before = generator(hidden, style=style)
    generator.finalise()
    assert not any("parametrizations" in name for name, _ in generator.named_parameters())
    torch.testing.assert_close(generator(hidden, style=style), before)


def test_scales_that_miss_the_hop_are_refused() -> None:
    with pytest.raises(ValueError, match="do not multiply to 200"):
        BigVGANGenerator(TINY, DIM, STYLE, 200)


@pytest.mark.parametrize("frames", [1, 2, 9])
def test_gradient_of_the_activation(frames: int) -> None:
    torch.manual_seed(0)
    snake = AdaptiveSnake(3, STYLE).double()
    x, style = torch.randn(2, 3, frames).double(), torch.randn(2, STYLE).double()

    def activate(x: torch.Tensor, alpha: torch.Tensor, beta: torch.Tensor) -> torch.Tensor:
        return torch.func.functional_call(snake, {"alpha": alpha, "beta": beta}, (x, style))

    inputs = (x, torch.randn(3).double(), 0.3 * torch.randn(3).double())
    assert torch.autograd.gradcheck(activate, [tensor.requires_grad_() for tensor in inputs])


def test_the_activation_keeps_little_more_than_its_input() -> None:
    snake, x, style = (
        AdaptiveSnake(4, STYLE),
        torch.randn(2, 4, 500, requires_grad=True),
        torch.zeros(2, STYLE),
    )
    kept: list[int] = []
    with saved_tensors_hooks(lambda tensor: kept.append(tensor.numel()) or tensor, lambda tensor: tensor):
        snake(x, style)
    assert x.numel() <= sum(kept) < 1.2 * x.numel()


def test_the_activation_of_a_padded_batch_has_the_same_gradient() -> None:
    torch.manual_seed(0)
    snake, x, style = AdaptiveSnake(4, STYLE), torch.randn(1, 4, 9), torch.randn(1, STYLE)
    alone, padded = x.clone().requires_grad_(), torch.nn.functional.pad(x, (0, 5)).requires_grad_()
    ends = Ends(frame_mask(torch.tensor([9]), 14)[:, None], torch.tensor([[[8]]]))
    whole, weights = snake(alone, style), torch.randn(1, 4, 9)
    cut = snake(padded, style, ends)
    torch.testing.assert_close(cut[..., :9], whole)
    assert not cut[..., 9:].any()
    (whole * weights).sum().backward()
    (cut[..., :9] * weights).sum().backward()
    torch.testing.assert_close(padded.grad[..., :9], alone.grad)


def test_the_filter_lets_a_constant_through_and_stops_what_would_fold() -> None:
    spectrum = torch.fft.rfft(half_band_filter(), 240).abs()
    assert spectrum[0] == pytest.approx(1, abs=1e-6)
    assert spectrum[:25].min() > 0.95 and spectrum[100:].max() < 0.01  # cycles per 240 samples


def test_half_precision_training_leaves_the_activation_its_digits() -> None:
    snake, x, style = AdaptiveSnake(4, STYLE), 30 * torch.randn(1, 4, 50), torch.randn(1, STYLE)
    expected = snake(x, style)
    with torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(snake(x, style), expected)
