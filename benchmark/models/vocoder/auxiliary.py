"""Voicing, pitch and energy, which CTX-vec2wav predicts and feeds back (UniCATS, section "CTX-vec2wav")."""

from collections.abc import Iterable

import numpy as np
import torch
from torch import nn
from torch.nn.functional import pad

from benchmark.extractors.f0.extractors import Dio
from benchmark.models.vocoder.config import AuxiliaryConfig
from benchmark.models.vocoder.convolution import FrameConv
from benchmark.types import SAMPLE_RATE

FEATURES = 3
"""Number of features: log voicing, log pitch, log energy."""
WINDOW = 400
"""Samples (25 ms) of the energy window, and of the two windows whose correlation gives the voicing."""
SILENCE = 1e-10
"""Mean square at which a frame counts as silent; digital zeros would dominate the variance of the energy."""
PITCH = Dio()
PITCH_HOP = round(PITCH.frame_period * SAMPLE_RATE / 1000)


def auxiliary_features(wav: torch.Tensor, hop_length: int) -> torch.Tensor:
    """Return voicing, pitch and energy of every frame, each measured around the middle of the frame.

    The published model uses Kaldi's pitch tracker and the energy of its MFCCs. That tracker is not available
    here: pitch comes from WORLD's DIO and StoneMask. Voicing follows Kaldi's formula for a normalised
    cross-correlation (Ghahremani et al., ICASSP 2014; `pitch-functions.cc`), taken at the lag of that pitch.

    Args:
        wav: (S,) float samples at 16 kHz.
        hop_length: Samples per frame, a multiple of 10 ms.

    Returns:
        (S // hop_length, 3) float32: log of the probability of voicing, from -7.2 to 0; log of the pitch in
        Hz, interpolated through unvoiced frames; log of the mean square.

    Raises: ValueError for another hop, or for samples that are not finite.
    """
    if hop_length % PITCH_HOP:
        raise ValueError(f"hop_length {hop_length} is no multiple of {PITCH_HOP}")
    frames, middle = len(wav) // hop_length, hop_length // 2
    if not frames:
        return torch.zeros(0, FEATURES)
    track = PITCH.extract(wav[middle:].numpy())[:, 0][:: hop_length // PITCH_HOP][:frames]
    pitch = torch.from_numpy(_log_pitch(track)).float()
    lags = (SAMPLE_RATE / pitch.exp()).round().long()
    margin = WINDOW + round(SAMPLE_RATE / PITCH.floor)
    padded, centres = pad(wav.float(), (margin, margin)), torch.arange(frames) * hop_length + middle + margin

    def stretch(starts: torch.Tensor) -> torch.Tensor:
        return padded[starts[:, None] + torch.arange(WINDOW)]

    earlier = centres - (WINDOW + lags) // 2
    voicing = _log_voicing(stretch(earlier), stretch(earlier + lags))
    energy = stretch(centres - WINDOW // 2).square().mean(dim=1).clamp(min=SILENCE).log()
    return torch.stack([voicing, pitch, energy], dim=1)


def _log_pitch(track: np.ndarray) -> np.ndarray:
    """Return the log of a pitch track in Hz, interpolated through its unvoiced stretches.

    Between voiced stretches the log pitch is linear; before the first and after the last it is constant.
    Where nothing is voiced, it is the middle of the pitch range.
    """
    voiced = np.flatnonzero(track)
    if not len(voiced):
        return np.full(len(track), 0.5 * np.log(PITCH.floor * PITCH.ceiling))
    return np.interp(np.arange(len(track)), voiced, np.log(track[voiced].clip(PITCH.floor, PITCH.ceiling)))


def _log_voicing(first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
    """Return the log probability of voicing, given windows (T, WINDOW) that are one period apart."""
    first, second = (x - x.mean(dim=1, keepdim=True) for x in (first, second))
    energies = first.square().sum(dim=1) * second.square().sum(dim=1)
    alike = ((first * second).sum(dim=1) / (energies + (WINDOW * SILENCE) ** 2).sqrt()).abs().clamp(max=1)
    odds = -5.2 + 5.4 * (7.5 * (alike - 1)).exp() + 4.8 * alike
    return nn.functional.logsigmoid(odds - 2 * (-10 * alike).exp() + 4.2 * (20 * (alike - 1)).exp())


class AuxiliaryBranch(nn.Module):
    """Branch that predicts the features after the first encoder and embeds them for the second.

    The embedded features are the true ones in training and the predicted ones in synthesis.
    """

    mean: torch.Tensor
    std: torch.Tensor

    def __init__(self, config: AuxiliaryConfig, dim: int) -> None:
        super().__init__()
        self.head = nn.Linear(dim, FEATURES)
        self.prenet = FrameConv(FEATURES, dim, config.kernel)
        self.register_buffer("mean", torch.zeros(FEATURES))
        self.register_buffer("std", torch.ones(FEATURES))

    def predict(self, hidden: torch.Tensor) -> torch.Tensor:
        """Map (B, T, dim) to normalised features (B, T, 3)."""
        return self.head(hidden)

    def embed(self, features: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Map normalised features (B, T, 3) and a (B, T) mask of valid frames to (B, T, dim)."""
        return self.prenet(features * mask[..., None])

    def normalise(self, features: torch.Tensor) -> torch.Tensor:
        """Normalise extracted features (..., 3) to zero mean and unit variance over the training set."""
        return (features - self.mean) / self.std

    @torch.no_grad()
    def fit(self, utterances: Iterable[torch.Tensor]) -> None:
        """Estimate mean and standard deviation over utterances of extracted features, each (T, 3)."""
        frames = torch.cat([features.double() for features in utterances])
        self.mean.copy_(frames.mean(dim=0))
        self.std.copy_(frames.std(dim=0, correction=0).clamp(min=1e-2))
