"""Voicing, pitch and energy: extraction, statistics, and the branch that predicts them."""

from collections.abc import Callable

import numpy as np
import pytest
import torch

from benchmark.models.vocoder.auxiliary import AuxiliaryBranch, auxiliary_features
from benchmark.models.vocoder.config import AuxiliaryConfig, VocoderConfig
from benchmark.models.vocoder.frame_rates import FrameRates
from benchmark.models.vocoder.model import CTXVec2Wav

RATE = 16_000


@pytest.fixture(scope="module")
def wav() -> torch.Tensor:
    """Return 0.4 s of noise, 0.6 s of a pulse-like sound at 160 Hz, 0.4 s of noise 20 dB lower, 0.1 s of
    zeros.
    """
    rng = np.random.default_rng(0)
    time = np.arange(round(0.6 * RATE)) / RATE
    voiced = 0.05 * sum(np.cos(2 * np.pi * 160 * k * time) for k in range(1, 12))
    noise = 0.1 * rng.standard_normal(round(0.8 * RATE))
    parts = [noise[:6400], voiced, 0.1 * noise[6400:], np.zeros(1600)]
    return torch.from_numpy(np.concatenate(parts)).float()


@pytest.mark.parametrize("hop", [160, 320])
def test_features_of_a_known_sound(wav: torch.Tensor, hop: int) -> None:
    features = auxiliary_features(wav, hop)
    rate = RATE // hop
    assert features.shape == (len(wav) // hop, 3) and features.dtype == torch.float32
    assert torch.isfinite(features).all()
    voicing, pitch, energy = features.T
    noise, tone = slice(0, round(0.35 * rate)), slice(round(0.45 * rate), round(0.95 * rate))
    quiet, zeros = slice(round(1.05 * rate), round(1.35 * rate)), slice(round(1.43 * rate), None)
    assert voicing[tone].min() > -0.1 and voicing[noise].mean() < -1 and voicing[quiet].mean() < -1
    assert voicing.min() >= -7.21 and voicing[zeros].max() < -5
    assert pitch[tone].exp() == pytest.approx(160 * np.ones(len(pitch[tone])), rel=0.02)
    assert np.log(60) <= pitch.min() and pitch.max() <= np.log(500)
    assert energy[noise].mean() - energy[quiet].mean() == pytest.approx(np.log(100), abs=0.5)
    assert energy[zeros] == pytest.approx(np.log(1e-10) * np.ones(len(energy[zeros])))


@pytest.mark.parametrize("hop", [160, 320])
def test_a_frame_is_measured_at_its_middle(hop: int) -> None:
    wav = torch.zeros(40 * hop)
    wav[20 * hop : 21 * hop] = torch.sin(torch.arange(hop))
    energy = auxiliary_features(wav, hop)[:, 2]
    assert int(energy.argmax()) == 20
    assert float(energy[19]) == pytest.approx(float(energy[21]), abs=0.1)


@pytest.mark.parametrize("samples", [0, 159, 160, 161, 479, 480, 1000, 3199])
def test_every_whole_frame_counts(samples: int) -> None:
    wav = 0.1 * torch.randn(samples, generator=torch.Generator().manual_seed(0))
    for hop in (160, 320):
        assert auxiliary_features(wav, hop).shape == (samples // hop, 3)


def test_silence_has_a_level_pitch_and_other_hops_are_refused() -> None:
    features = auxiliary_features(torch.zeros(3200), 160)
    assert features[:, 1] == pytest.approx(0.5 * np.log(60 * 500) * np.ones(20))
    with pytest.raises(ValueError, match="256"):
        auxiliary_features(torch.zeros(3200), 256)


def test_interpolated_pitch_lies_between_its_neighbours() -> None:
    time = torch.arange(round(0.3 * RATE)) / RATE

    def sound(pitch: float) -> torch.Tensor:
        return 0.05 * torch.stack([torch.cos(2 * torch.pi * pitch * k * time) for k in range(1, 9)]).sum(0)

    gap = 0.001 * torch.randn(4800, generator=torch.Generator().manual_seed(0))
    pitch = auxiliary_features(torch.cat([sound(120), gap, sound(240)]), 160)[:, 1].exp()
    assert pitch[25] == pytest.approx(120, rel=0.02) and pitch[65] == pytest.approx(240, rel=0.02)
    assert 125 < pitch[45] < 235


def test_statistics_travel_with_the_weights() -> None:
    torch.manual_seed(0)
    branch, other = AuxiliaryBranch(AuxiliaryConfig(), 8), AuxiliaryBranch(AuxiliaryConfig(), 8)
    parts = [torch.randn(50, 3) * torch.tensor([2.0, 0.3, 5.0]) + 7, torch.randn(30, 3)]
    branch.fit(parts)
    other.load_state_dict(branch.state_dict())
    whole = other.normalise(torch.cat(parts))
    torch.testing.assert_close(whole.mean(dim=0), torch.zeros(3), atol=1e-5, rtol=0)
    torch.testing.assert_close(whole.std(dim=0, correction=0), torch.ones(3))


def test_the_branch_learns_from_its_own_loss_and_steers_the_output(
    make_config: Callable[..., VocoderConfig],
) -> None:
    torch.manual_seed(0)
    model = CTXVec2Wav(make_config(auxiliary=AuxiliaryConfig()), FrameRates(50), (24,), None).eval()
    codes, lengths = torch.randint(24, (2, 1, 20)), torch.tensor([20, 13])
    prompt, samples = 0.1 * torch.randn(2, 6400), torch.tensor([6400, 6400])
    own = model.encode(codes, lengths, prompt, samples)
    forced = model.encode(codes, lengths, prompt, samples, own.auxiliary.detach() + 1)
    assert own.auxiliary.shape == (2, 20, 3) and torch.equal(own.auxiliary, forced.auxiliary)
    assert (own.hidden - forced.hidden).abs().max() > 1e-3
    again = model.encode(codes, lengths, prompt, samples, own.auxiliary.detach())
    torch.testing.assert_close(own.hidden, again.hidden)
    alone = model.encode(codes[1:, :, :13], lengths[1:], prompt[1:], samples[1:])
    torch.testing.assert_close(own.hidden[1:, :13], alone.hidden, atol=1e-5, rtol=1e-4)
    forced.auxiliary.abs().mean().backward()
    head, embed = model.frontend.auxiliary.head, model.frontend.auxiliary.prenet
    assert head.weight.grad.any() and embed.weight.grad is None
