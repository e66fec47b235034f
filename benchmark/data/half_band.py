"""The low-pass filter around BigVGAN's activation, which is computed at twice the rate (Lee et al. 2023)."""

import math

import torch

TAPS = 12


def half_band_filter() -> torch.Tensor:
    """Compute the taps (TAPS,) of a windowed sinc that passes half of the band; their sum is one.

    The shape of the Kaiser window follows from the attenuation in dB that 12 taps can reach when the stop
    band begins 0.3 of the sampling rate above the cut-off (Oppenheim and Schafer, section 7.5.3).
    """
    attenuation = 2.285 * (TAPS // 2 - 1) * math.pi * (4 * 0.3) + 7.95
    window = torch.kaiser_window(TAPS, periodic=False, beta=0.1102 * (attenuation - 8.7))
    time = torch.arange(TAPS) - (TAPS - 1) / 2
    taps = window * torch.sinc(time / 2)
    return taps / taps.sum()
