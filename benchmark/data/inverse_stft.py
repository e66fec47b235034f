"""Inverse short-time Fourier transform that gives one hop of samples per frame."""

import torch
from torch import nn
from torch.nn.functional import fold


class InverseSTFT(nn.Module):
    """Overlap-add of inverse FFTs; frame t is centred on its own hop, as in `LogMel(center=False)`.

    The "same" padding of Vocos (Siuzdak 2023, arXiv 2306.00814): half a window less half a hop is cut
    off at both ends. torch.istft refuses that padding, because the window sums are zero in the cut-off ends.
    """

    window: torch.Tensor

    def __init__(self, n_fft: int, hop_length: int) -> None:
        super().__init__()
        if n_fft < 2 * hop_length or (n_fft - hop_length) % 2:
            raise ValueError(f"n_fft {n_fft} must exceed hop_length {hop_length} twofold, by an even number")
        self.n_fft, self.hop_length = n_fft, hop_length
        self.register_buffer("window", torch.hann_window(n_fft), persistent=False)

    def forward(self, spectrum: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
        """Convert spectra to waveforms.

        Args:
            spectrum: (B, n_fft // 2 + 1, T) complex.
            mask: (B, T), zero for frames of padding; None if no frame is padding.

        Returns:
            (B, T * hop_length) float32.
        """
        if mask is None:
            mask = self.window.new_ones(1, spectrum.shape[-1])
        frames = torch.fft.irfft(spectrum, self.n_fft, dim=1) * self.window[:, None] * mask[:, None]
        envelope = self.window.square()[:, None] * mask[:, None]
        wav, weight = self._overlap_add(frames), self._overlap_add(envelope)
        return wav / weight.clamp(min=1e-8)

    def _overlap_add(self, frames: torch.Tensor) -> torch.Tensor:
        samples = frames.shape[-1] * self.hop_length
        padding = (self.n_fft - self.hop_length) // 2
        whole = fold(frames, (1, samples + 2 * padding), (1, self.n_fft), stride=(1, self.hop_length))
        return whole[:, 0, 0, padding : padding + samples]
