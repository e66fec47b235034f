"""Losses of the vocoder, all in float32: least-squares GAN, feature matching, log-mel distances."""

from collections.abc import Sequence

import torch
from torch import nn

from benchmark.data.mel import LogMel
from benchmark.models.vocoder.attention import frame_mask
from benchmark.models.vocoder.config import MelResolution
from benchmark.models.vocoder.discriminators import Features


def discriminator_loss(real: list[Features], fake: list[Features]) -> torch.Tensor:
    """Return the discriminators' loss: real verdicts to one, fake to zero, summed (Mao et al., 2017)."""
    return torch.stack(
        [
            (r[-1].float() - 1).square().mean() + f[-1].float().square().mean()
            for r, f in zip(real, fake, strict=True)
        ]
    ).sum()


def adversarial_loss(fake: list[Features]) -> torch.Tensor:
    """Return the generator's adversarial loss: fake verdicts to one, summed over discriminators."""
    return torch.stack([(f[-1].float() - 1).square().mean() for f in fake]).sum()


def feature_matching_loss(real: list[Features], fake: list[Features]) -> torch.Tensor:
    """Return the L1 distance of every layer output but the verdict, summed over layers and discriminators."""
    return torch.stack(
        [
            (layer_real.detach().float() - layer_fake.float()).abs().mean()
            for r, f in zip(real, fake, strict=True)
            for layer_real, layer_fake in zip(r[:-1], f[:-1], strict=True)
        ]
    ).sum()


class MelLoss(nn.Module):
    """L1 distance between natural log-mels, averaged over resolutions."""

    def __init__(self, resolutions: Sequence[MelResolution]) -> None:
        super().__init__()
        self.analyses = nn.ModuleList(
            LogMel(r.n_fft, r.hop_length, r.win_length, r.n_mels, floor=r.floor) for r in resolutions
        )

    def forward(self, fake: torch.Tensor, real: torch.Tensor) -> torch.Tensor:
        """Return the distance between samples (B, T) and (B, T)."""
        with torch.autocast(fake.device.type, enabled=False):
            fake, real = fake.float(), real.float()
            distances = [(mel(fake) - mel(real)).abs().mean() for mel in self.analyses]
        return torch.stack(distances).mean()


def frame_l1(predicted: torch.Tensor, target: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
    """Return the L1 distance between (B, T, C) sequences over valid frames."""
    mask = frame_mask(lengths, target.shape[1])[..., None]
    return ((predicted.float() - target.float()).abs() * mask).sum() / (mask.sum() * target.shape[2])
