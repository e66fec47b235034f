"""Losses and discriminators: known values, published sizes."""

import pytest
import torch

from benchmark.data.mel import LogMel
from benchmark.models.vocoder.config import DiscriminatorConfig, MelResolution
from benchmark.models.vocoder.discriminators import Discriminators
from benchmark.models.vocoder.losses import (
    MelLoss,
    adversarial_loss,
    discriminator_loss,
    feature_matching_loss,
    frame_l1,
)


def _verdicts(*values: float) -> list[list[torch.Tensor]]:
    return [[torch.full((2, 3), 7.0), torch.full((2, 1, 5), float(value))] for value in values]


def test_least_squares_losses_have_their_known_values() -> None:
    assert discriminator_loss(_verdicts(1, 1), _verdicts(0, 0)) == 0
    assert discriminator_loss(_verdicts(0.5, 1), _verdicts(0, 0.25)) == pytest.approx(0.25 + 0.0625)
    assert adversarial_loss(_verdicts(1, 1)) == 0
    assert adversarial_loss(_verdicts(0, 3)) == pytest.approx(1 + 4)


def test_feature_matching_counts_every_layer_but_the_verdict() -> None:
    real = [[torch.zeros(2, 3), torch.zeros(4), torch.zeros(1)], [torch.zeros(5), torch.zeros(1)]]
    fake = [
        [torch.ones(2, 3), torch.full((4,), -2.0), torch.full((1,), 99.0)],
        [torch.ones(5), torch.zeros(1)],
    ]
    assert feature_matching_loss(real, fake) == pytest.approx(1 + 2 + 1)


def test_mel_loss_of_a_louder_copy_is_the_logarithm_of_the_gain() -> None:
    wav = torch.randn(2, 8000, generator=torch.Generator().manual_seed(0))
    loss = MelLoss([MelResolution(), MelResolution(n_fft=512, hop_length=128, win_length=512, n_mels=40)])
    assert loss(wav, wav) == 0
    assert float(loss(2 * wav, wav)) == pytest.approx(float(torch.log(torch.tensor(2.0))), rel=1e-4)


def test_mel_loss_averages_resolutions() -> None:
    generator = torch.Generator().manual_seed(0)
    fake, real = torch.randn(2, 1, 8000, generator=generator)
    resolutions = [MelResolution(), MelResolution(n_fft=512, hop_length=128, win_length=512, n_mels=40)]
    apart = [
        (mel(fake) - mel(real)).abs().mean()
        for mel in (LogMel(1024, 200, 800, 80, floor=1e-10), LogMel(512, 128, 512, 40, floor=1e-10))
    ]
    torch.testing.assert_close(MelLoss(resolutions)(fake, real), sum(apart) / 2)


def test_frame_loss_ignores_padding() -> None:
    target = torch.zeros(2, 4, 3)
    predicted = torch.full((2, 4, 3), 5.0)
    predicted[0], predicted[1, 2:] = 1.0, 1.0
    assert frame_l1(predicted, target, torch.tensor([4, 2])) == pytest.approx((4 * 1 + 2 * 5) / 6)


def test_discriminators_have_the_published_size() -> None:
    with torch.device("meta"):
        networks = Discriminators(DiscriminatorConfig())
    sizes = [sum(p.numel() for p in part.parameters()) / 1e6 for part in (networks.periods, networks.scales)]
    assert sizes == pytest.approx([41.1, 29.6], abs=0.02)
    assert (len(networks.periods), len(networks.scales)) == (5, 3)


def test_every_discriminator_judges_and_reports_its_layers(small_discriminators: DiscriminatorConfig) -> None:
    torch.manual_seed(0)
    outputs = Discriminators(small_discriminators)(torch.randn(2, 4001))
    assert [len(layers) for layers in outputs] == [6, 6, 8, 8]
    assert all(layers[-1].shape[:2] == (2, 1) for layers in outputs)
    assert outputs[3][0].shape[-1] == 4001 // 2 + 1  # the second scale hears half the rate


def test_period_discriminator_sees_columns_of_its_period(small_discriminators: DiscriminatorConfig) -> None:
    torch.manual_seed(0)
    period = Discriminators(small_discriminators).periods[1]
    wav = torch.randn(1, 1, 300)
    changed = wav.clone()
    changed[..., 1::3] += 1.0
    before, after = period(wav)[-1], period(changed)[-1]
    torch.testing.assert_close(before[..., [0, 2]], after[..., [0, 2]])
    assert not torch.allclose(before[..., 1], after[..., 1])
