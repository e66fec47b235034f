"""ECAPA-TDNN (Desplanques et al. 2020) in the form of UniSpeech's speaker verification (Chen et al. 2022).

It has four dilated layers of 512 channels over normalised features, and its attention in pooling sees each
frame alone. Modules are named as in the published weights. Tensors are (B, D, T) between modules.
"""

from collections.abc import Mapping

import torch
from torch import nn
from torch.nn.functional import instance_norm, relu

DILATIONS = (2, 3, 4)
SMALLEST = 1e-9
"""Smallest variance of the pooled frames."""


class ConvReluNorm(nn.Module):
    """A convolution that keeps the length, ReLU and batch norm, in this order."""

    def __init__(self, inputs: int, outputs: int, kernel: int) -> None:
        super().__init__()
        self.conv = nn.Conv1d(inputs, outputs, kernel, padding=kernel // 2)
        self.bn = nn.BatchNorm1d(outputs)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (B, D, T) to (B, D', T)."""
        return self.bn(relu(self.conv(x)))


class Scales(nn.Module):
    """Res2Net's convolutions (Gao et al. 2021): each group of channels adds to the input of the next one."""

    def __init__(self, channels: int, scale: int, dilation: int) -> None:
        super().__init__()
        width = channels // scale
        self.scale = scale
        self.convs = nn.ModuleList(
            nn.Conv1d(width, width, 3, padding=dilation, dilation=dilation) for _ in range(scale - 1)
        )
        self.bns = nn.ModuleList(nn.BatchNorm1d(width) for _ in range(scale - 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (B, D, T) to (B, D, T); the last group passes as it is."""
        *groups, last = x.chunk(self.scale, 1)
        made = [torch.zeros_like(last)]
        for group, conv, norm in zip(groups, self.convs, self.bns, strict=True):
            made.append(norm(relu(conv(group + made[-1]))))
        return torch.cat([*made[1:], last], 1)


class Excitation(nn.Module):
    """Squeeze and excitation (Hu et al. 2018): gates of the channels by their means over time."""

    def __init__(self, channels: int, bottleneck: int) -> None:
        super().__init__()
        self.linear1 = nn.Linear(channels, bottleneck)
        self.linear2 = nn.Linear(bottleneck, channels)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (B, D, T) to (B, D, T)."""
        return x * self.linear2(relu(self.linear1(x.mean(2)))).sigmoid().unsqueeze(2)


class Block(nn.Module):
    """A residual block of three convolutions and gates."""

    def __init__(self, channels: int, scale: int, bottleneck: int, dilation: int) -> None:
        super().__init__()
        self.Conv1dReluBn1 = ConvReluNorm(channels, channels, 1)
        self.Res2Conv1dReluBn = Scales(channels, scale, dilation)
        self.Conv1dReluBn2 = ConvReluNorm(channels, channels, 1)
        self.SE_Connect = Excitation(channels, bottleneck)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (B, D, T) to (B, D, T)."""
        return x + self.SE_Connect(self.Conv1dReluBn2(self.Res2Conv1dReluBn(self.Conv1dReluBn1(x))))


class AttentivePooling(nn.Module):
    """Mean and standard deviation over time (Okabe et al. 2018), with a weight per channel and frame."""

    def __init__(self, channels: int, bottleneck: int) -> None:
        super().__init__()
        self.linear1 = nn.Conv1d(channels, bottleneck, 1)
        self.linear2 = nn.Conv1d(bottleneck, channels, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (B, D, T) to (B, 2 D)."""
        weight = self.linear2(self.linear1(x).tanh()).softmax(2)
        mean = (weight * x).sum(2)
        variance = (weight * x.square()).sum(2) - mean.square()
        return torch.cat((mean, variance.clamp(min=SMALLEST).sqrt()), 1)


class EcapaTdnn(nn.Module):
    """The network from features to an embedding."""

    def __init__(self, state: Mapping[str, torch.Tensor]) -> None:
        """Build the network with the widths of its weights, which are loaded afterwards.

        Raises:
            KeyError: a weight that tells a width is missing.
        """
        super().__init__()
        channels, features, kernel = state["layer1.conv.weight"].shape
        pooled = len(state["conv.weight"])
        bottleneck = len(state["layer2.SE_Connect.linear1.weight"])
        scale = channels // len(state["layer2.Res2Conv1dReluBn.convs.0.weight"])
        self.layer1 = ConvReluNorm(features, channels, kernel)
        self.layer2, self.layer3, self.layer4 = (
            Block(channels, scale, bottleneck, dilation) for dilation in DILATIONS
        )
        self.conv = nn.Conv1d(len(DILATIONS) * channels, pooled, 1)
        self.pooling = AttentivePooling(pooled, len(state["pooling.linear1.weight"]))
        self.bn = nn.BatchNorm1d(2 * pooled)
        self.linear = nn.Linear(2 * pooled, len(state["linear.weight"]))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map features (B, D, T) of whole clips without padding to embeddings (B, E)."""
        x = self.layer1(instance_norm(x))
        layers = []
        for layer in (self.layer2, self.layer3, self.layer4):
            x = layer(x)
            layers.append(x)
        return self.linear(self.bn(self.pooling(relu(self.conv(torch.cat(layers, 1))))))
