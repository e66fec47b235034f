"""Generators: exact lengths, published sizes, exact inversion, no influence of padding."""

from dataclasses import replace

import pytest
import torch

from benchmark.data.inverse_stft import InverseSTFT
from benchmark.models.vocoder.attention import frame_mask
from benchmark.models.vocoder.config import HiFiGANConfig, ISTFTConfig
from benchmark.models.vocoder.generator import HiFiGANGenerator

SMALL_HIFIGAN = HiFiGANConfig(channels=32, resblock_kernels=(3, 5), dilations=(1, 3))
SMALL_ISTFT = ISTFTConfig(dim=24, hidden=32, blocks=2, kernel=5, n_fft=640, hop_length=160)
SLOW_ISTFT = replace(SMALL_ISTFT, n_fft=800, hop_length=320)  # at hop 160 the STFT follows the model


@pytest.mark.parametrize("hop", [320, 160])
@pytest.mark.parametrize("config", [SMALL_HIFIGAN, SMALL_ISTFT, SLOW_ISTFT], ids=["hifigan", "istft", "slow"])
def test_length_is_frames_times_hop_and_padding_leaves_no_trace(
    config: HiFiGANConfig | ISTFTConfig, hop: int
) -> None:
    torch.manual_seed(0)
    generator = config.build(8, 6, hop)
    for name, parameter in generator.named_parameters():
        if name.endswith("original0"):  # HiFi-GAN starts near silence, which would hide errors
            parameter.data.fill_(1.5)
    hidden = torch.randn(2, 8, 13)
    wav = generator(hidden, frame_mask(torch.tensor([13, 7]), 13))
    assert wav.shape == (2, 13 * hop)
    alone = generator(hidden[1:, :, :7])
    assert alone.shape == (1, 7 * hop) and alone.std() > 1e-3
    torch.testing.assert_close(wav[1, : 7 * hop], alone[0], atol=1e-5, rtol=1e-4)


def test_folding_the_weight_norm_changes_nothing() -> None:
    torch.manual_seed(0)
    generator, hidden = HiFiGANGenerator(SMALL_HIFIGAN, 8, 320), torch.randn(1, 8, 5)
    before = generator(hidden)
    generator.finalise()
    assert not any("parametrizations" in name for name, _ in generator.named_parameters())
    torch.testing.assert_close(generator(hidden), before)


def test_scales_that_miss_the_hop_are_refused() -> None:
    with pytest.raises(ValueError, match="320"):
        HiFiGANGenerator(HiFiGANConfig(channels=32, scales_50hz=(8, 8, 2, 2)), 8, 320)


@pytest.mark.parametrize(("n_fft", "hop"), [(1024, 320), (800, 320), (640, 160)])
def test_inverse_stft_gives_back_the_signal_of_a_true_spectrum(n_fft: int, hop: int) -> None:
    wav = torch.randn(2, 12 * hop, generator=torch.Generator().manual_seed(0))
    edge = (n_fft - hop) // 2
    padded = torch.nn.functional.pad(wav, (edge, edge))
    spectrum = torch.stft(
        padded, n_fft, hop, window=torch.hann_window(n_fft), center=False, return_complex=True
    )
    inverse = InverseSTFT(n_fft, hop)
    rebuilt = inverse(torch.polar(spectrum.abs(), spectrum.angle()), torch.ones(2, 12))
    assert rebuilt.shape == wav.shape
    torch.testing.assert_close(rebuilt, wav, atol=1e-4, rtol=0)
