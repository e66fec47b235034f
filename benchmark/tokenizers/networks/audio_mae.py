"""The encoder of AudioMAE (Huang et al. 2022, arXiv 2207.06405), a vision transformer over a mel spectrogram.

SemantiCodec takes the mean over the outputs of the last layers as its features, as AudioLDM 2 does.
"""

import torch
from torch import nn
from torch.nn import functional as F

FRAMES, BINS = 1024, 128
"""Frames of 10 ms and mel bins of a spectrogram."""
PATCH = 16
"""Frames and bins of a patch."""
HEADS = 12
FIRST_LAYER = 9
"""First layer, counted from zero, whose output enters the mean."""
EPS = 1e-6


class AudioMae(nn.Module):
    """Features of patches.

    Args:
        width: Channels.
        hidden: Hidden channels of the layers' feed-forward networks.
        layers: Number of layers.
    """

    def __init__(self, width: int, hidden: int, layers: int) -> None:
        super().__init__()
        patches = (FRAMES // PATCH) * (BINS // PATCH)
        self.proj = nn.Conv2d(1, width, PATCH, PATCH)
        self.cls_token = nn.Parameter(torch.zeros(1, 1, width))
        self.pos_embed = nn.Parameter(torch.zeros(1, 1 + patches, width))
        self.blocks = nn.ModuleList(Layer(width, hidden) for _ in range(layers))
        self.norm = nn.LayerNorm(width, EPS)

    def forward(self, mel: torch.Tensor) -> torch.Tensor:
        """Map spectrograms (B, FRAMES, BINS) to (B, 512, width), in the order of time, then frequency."""
        patches = self.proj(mel[:, None]).flatten(2).transpose(1, 2)
        x = torch.cat([self.cls_token.expand(len(mel), -1, -1), patches], 1) + self.pos_embed
        outputs = []
        for index, layer in enumerate(self.blocks):
            x = layer(x)
            if index >= FIRST_LAYER:
                outputs.append(self.norm(x))
        return torch.stack(outputs).mean(0)[:, 1:]


class Layer(nn.Module):
    """A transformer layer that normalises the input of each part (Dosovitskiy et al. 2021)."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width, EPS)
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)
        self.norm2 = nn.LayerNorm(width, EPS)
        self.fc1 = nn.Linear(width, hidden)
        self.fc2 = nn.Linear(hidden, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (B, T, width) to the same shape."""
        heads = self.qkv(self.norm1(x)).unflatten(-1, (3 * HEADS, -1)).transpose(1, 2)
        attended = F.scaled_dot_product_attention(*heads.chunk(3, dim=1))
        x = x + self.proj(attended.transpose(1, 2).flatten(2))
        return x + self.fc2(F.gelu(self.fc1(self.norm2(x))))
