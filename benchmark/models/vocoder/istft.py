"""Generator that stays at the frame rate: ConvNeXt blocks and an inverse-STFT head (Vocos).

It needs a fraction of HiFi-GAN's arithmetic, which makes training a vocoder on a CPU feasible.
"""

import torch
from torch import nn

from benchmark.data.inverse_stft import InverseSTFT
from benchmark.models.vocoder.config import ISTFTConfig
from benchmark.models.vocoder.convolution import FrameConv

MAX_LOG_MAGNITUDE = 6.0


class ConvNeXtBlock(nn.Module):
    """Depthwise convolution, norm, inverted bottleneck with a learned scale (Liu et al., 2022)."""

    def __init__(self, dim: int, hidden: int, kernel: int, initial_scale: float) -> None:
        super().__init__()
        self.depthwise = nn.Conv1d(dim, dim, kernel, padding=kernel // 2, groups=dim)
        self.norm = nn.LayerNorm(dim)
        self.expand = nn.Linear(dim, hidden)
        self.reduce = nn.Linear(hidden, dim)
        self.scale = nn.Parameter(torch.full((dim,), initial_scale))

    def forward(self, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Filter x (B, T, dim), mask (B, T, 1)."""
        mixed = self.norm(self.depthwise((x * mask).transpose(1, 2)).transpose(1, 2))
        return x + self.scale * self.reduce(nn.functional.gelu(self.expand(mixed)))


class ISTFTGenerator(nn.Module):
    """Generator that predicts log-magnitude and phase of every frame and inverts the STFT."""

    def __init__(self, config: ISTFTConfig, dim: int, hop_length: int) -> None:
        """Build for hidden sequences of `dim` channels, with one frame per `hop_length` samples."""
        super().__init__()
        hop = min(config.hop_length, hop_length)
        if hop_length % hop:
            raise ValueError(f"the STFT's hop {hop} does not divide the model's {hop_length}")
        self.repeats = hop_length // hop
        self.embed = FrameConv(dim, config.dim, config.kernel)
        self.norm = nn.LayerNorm(config.dim)
        self.blocks = nn.ModuleList(
            ConvNeXtBlock(config.dim, config.hidden, config.kernel, 1 / config.blocks)
            for _ in range(config.blocks)
        )
        self.head_norm = nn.LayerNorm(config.dim)
        self.head = nn.Linear(config.dim, self.repeats * (config.n_fft + 2))
        self.inverse = InverseSTFT(config.n_fft, hop)

    def forward(
        self,
        hidden: torch.Tensor,
        mask: torch.Tensor | None = None,
        style: torch.Tensor | None = None,  # noqa: ARG002
    ) -> torch.Tensor:
        """Synthesize the waveform; arguments and result as in `HiFiGANGenerator.forward`."""
        batch, _, frames = hidden.shape
        valid = hidden.new_ones(batch, frames) if mask is None else mask.to(hidden.dtype)
        x = self.norm(self.embed((hidden * valid[:, None]).transpose(1, 2)))
        for block in self.blocks:
            x = block(x, valid[..., None])
        with torch.autocast(hidden.device.type, enabled=False):
            head = self.head(self.head_norm(x.float())).unflatten(-1, (self.repeats, -1)).flatten(1, 2)
            log_magnitude, phase = head.transpose(1, 2).chunk(2, dim=1)
            spectrum = torch.polar(log_magnitude.clamp(max=MAX_LOG_MAGNITUDE).exp(), phase)
            return self.inverse(spectrum, valid.float().repeat_interleave(self.repeats, dim=1))

    def finalise(self) -> None:
        """Do nothing: the layers have no weight norm to fold."""
