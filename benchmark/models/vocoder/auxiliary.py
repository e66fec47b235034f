"""Voicing, pitch and energy as CTX-vec2wav predicts and feeds them back (UniCATS, section "CTX-vec2wav")."""

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
"""Log voicing, log pitch, log energy."""
WINDOW = 400
"""Samples, 25 ms: of the energy, and of the two stretches whose correlation tells voicing."""
SILENCE = 1e-10
"""Mean square at which a frame counts as silent; digital zeros would own the variance of the energy."""
PITCH = Dio()
PITCH_HOP = round(PITCH.frame_period * SAMPLE_RATE / 1000)


def auxiliary_features(wav: torch.Tensor, hop_length: int) -> torch.Tensor:
    """Voicing, pitch and energy of every frame, each measured around the frame's middle.

    Published: Kaldi's pitch tracker and the energy of its MFCCs. That tracker is not at hand, so pitch is
    that of WORLD's DIO and StoneMask, and voicing is what Kaldi makes of a normalised cross-correlation
    (Ghahremani et al., ICASSP 2014; `pitch-functions.cc`), here at the lag of that pitch.

    Args:
        wav: (S,) float samples at 16 kHz.
        hop_length: Samples per frame, a multiple of 10 ms.

    Returns:
        (S // hop_length, 3) float32: log of the probability of voicing, from -7.2 to 0; log of the pitch
        in Hz, interpolated through unvoiced frames; log of the mean square.

    Raises: ValueError for another hop or samples that are not finite.
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
    """Log of a track in Hz: a line from one voiced stretch to the next, level before the first and after the
    last; the middle of the range where nothing is voiced.
    """
    voiced = np.flatnonzero(track)
    if not len(voiced):
        return np.full(len(track), 0.5 * np.log(PITCH.floor * PITCH.ceiling))
    return np.interp(np.arange(len(track)), voiced, np.log(track[voiced].clip(PITCH.floor, PITCH.ceiling)))


def _log_voicing(first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
    """Log probability of voicing given stretches (T, WINDOW) one period apart."""
    first, second = (x - x.mean(dim=1, keepdim=True) for x in (first, second))
    energies = first.square().sum(dim=1) * second.square().sum(dim=1)
    alike = ((first * second).sum(dim=1) / (energies + (WINDOW * SILENCE) ** 2).sqrt()).abs().clamp(max=1)
    odds = -5.2 + 5.4 * (7.5 * (alike - 1)).exp() + 4.8 * alike
    return nn.functional.logsigmoid(odds - 2 * (-10 * alike).exp() + 4.2 * (20 * (alike - 1)).exp())


class AuxiliaryBranch(nn.Module):
    """Predicts the features after the first encoder and embeds them, true or predicted, for the second."""

    mean: torch.Tensor
    std: torch.Tensor

    def __init__(self, config: AuxiliaryConfig, dim: int) -> None:
        super().__init__()
        self.head = nn.Linear(dim, FEATURES)
        self.prenet = FrameConv(FEATURES, dim, config.kernel)
        self.register_buffer("mean", torch.zeros(FEATURES))
        self.register_buffer("std", torch.ones(FEATURES))

    def predict(self, hidden: torch.Tensor) -> torch.Tensor:
        """(B, T, dim) to normalised features (B, T, 3)."""
        return self.head(hidden)

    def embed(self, features: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Normalised features (B, T, 3) and a (B, T) mask of valid frames to (B, T, dim)."""
        return self.prenet(features * mask[..., None])

    def normalise(self, features: torch.Tensor) -> torch.Tensor:
        """(..., 3) as extracted, to zero mean and unit variance over the training set."""
        return (features - self.mean) / self.std

    @torch.no_grad()
    def fit(self, utterances: Iterable[torch.Tensor]) -> None:
        """Take the mean and standard deviation over utterances, each (T, 3) as extracted."""
        frames = torch.cat([features.double() for features in utterances])
        self.mean.copy_(frames.mean(dim=0))
        self.std.copy_(frames.std(dim=0, correction=0).clamp(min=1e-2))
