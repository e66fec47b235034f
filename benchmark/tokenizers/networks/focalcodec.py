"""The networks of FocalCodec (Della Libera et al. 2025, NeurIPS, section 3): a chain of five parts.

Six layers of WavLM compute features of speech. A compressor of focal modulation blocks (Yang et al. 2022)
reduces the features to a few dimensions, whose signs are the code (binary spherical quantization, Zhao et
al. 2024). A decompressor restores the features, and a Vocos generator (Siuzdak 2024) makes the waveform.

Modules carry the parameter names of the published checkpoints. Tensors are (B, T, D) between modules.
"""

import torch
from torch import nn
from torch.nn.functional import gelu, pad

from benchmark.data.inverse_stft import InverseSTFT
from benchmark.tokenizers.networks.wavlm import FeedForward


class FocalModulation(nn.Module):
    """Queries multiplied by gated context: two widths of depthwise convolution and the mean over time."""

    def __init__(self, width: int, kernels: list[int]) -> None:
        super().__init__()
        self.split = [width, width, len(kernels) + 1]
        self.in_proj = nn.Linear(width, sum(self.split))
        convs = (nn.Conv1d(width, width, kernel, padding="same", groups=width) for kernel in kernels)
        self.layers = nn.ModuleList(nn.Sequential(conv, nn.GELU()) for conv in convs)
        self.context_proj = nn.Conv1d(width, width, 1)
        self.out_proj = nn.Linear(width, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (B, T, D) to (B, T, D); every frame depends on all others through the mean."""
        query, context, gates = self.in_proj(x).mT.split(self.split, 1)
        levels = []
        for layer in self.layers:
            context = layer(context)
            levels.append(context)
        levels.append(gelu(context.mean(-1, keepdim=True)))
        gathered = sum(level * gates[:, i : i + 1] for i, level in enumerate(levels))
        return self.out_proj((query * self.context_proj(gathered)).mT)


class FocalBlock(nn.Module):
    """A transformer layer with focal modulation instead of attention."""

    def __init__(self, width: int, kernels: list[int]) -> None:
        super().__init__()
        self.modulation_norm = nn.LayerNorm(width)
        self.modulation = FocalModulation(width, kernels)
        self.feed_forward_norm = nn.LayerNorm(width)
        self.feed_forward = FeedForward(width, 4 * width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (B, T, D) to (B, T, D)."""
        x = x + self.modulation(self.modulation_norm(x))
        return x + self.feed_forward(self.feed_forward_norm(x))


class Snake(nn.Module):
    """The activation x + sin²(αx) / α (Liu et al. 2020), with α learned per channel."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.alpha = nn.Parameter(torch.ones(width, 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (B, T, D) to (B, T, D)."""
        alpha = self.alpha.T
        return x + (alpha * x).sin().square() / (alpha + 1e-9)


class DownScale(nn.Module):
    """Downsampling of `factor` frames to one by a convolution without overlap, then Snake."""

    def __init__(self, inputs: int, outputs: int, factor: int) -> None:
        super().__init__()
        self.factor = factor
        self.downscale = nn.Conv1d(inputs, outputs, factor, factor)
        self.activation = Snake(outputs)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (B, T, D) to (B, ⌈T / factor⌉, D')."""
        x = pad(x.mT, (0, -x.shape[1] % self.factor))
        return self.activation(self.downscale(x).mT)


class UpScale(nn.Module):
    """Snake, then upsampling of one frame to `factor` by a transposed convolution without overlap."""

    def __init__(self, inputs: int, outputs: int, factor: int) -> None:
        super().__init__()
        self.activation = Snake(inputs)
        self.upscale = nn.ConvTranspose1d(inputs, outputs, factor, factor)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (B, T, D) to (B, factor · T, D')."""
        return self.upscale(self.activation(x).mT).mT


class Compressor(nn.Module):
    """The part that maps features to the latents whose signs are the code."""

    def __init__(
        self, inputs: int, outputs: int, widths: list[int], factors: list[int], kernels: list[int]
    ) -> None:
        super().__init__()
        scales = (DownScale(*s) for s in zip([inputs, *widths], widths, factors, strict=False))
        blocks = (FocalBlock(width, kernels) for width in widths)
        self.layers = nn.Sequential(*map(nn.Sequential, scales, blocks))
        self.out_proj = nn.Linear(widths[-1], outputs)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (B, T, D) to (B, T', bits)."""
        return self.out_proj(self.layers(x))


class Decompressor(nn.Module):
    """The part that maps codes back to features."""

    def __init__(
        self, inputs: int, outputs: int, widths: list[int], factors: list[int], kernels: list[int]
    ) -> None:
        super().__init__()
        self.in_proj = nn.Linear(inputs, widths[0])
        blocks = (FocalBlock(width, kernels) for width in widths)
        scales = (UpScale(*s) for s in zip(widths, [*widths[1:], outputs], factors, strict=True))
        self.layers = nn.Sequential(*map(nn.Sequential, blocks, scales))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (B, T', bits) to (B, T, D)."""
        return self.layers(self.in_proj(x))


class ConvNeXtBlock(nn.Module):
    """A depthwise convolution and a feed-forward layer, scaled per channel (Liu et al. 2022)."""

    def __init__(self, width: int, inner: int, kernel: int) -> None:
        super().__init__()
        self.dwconv = nn.Conv1d(width, width, kernel, padding="same", groups=width)
        self.norm = nn.LayerNorm(width, eps=1e-6)
        self.pwconv1 = nn.Linear(width, inner)
        self.pwconv2 = nn.Linear(inner, width)
        self.gamma = nn.Parameter(torch.ones(width))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (B, T, D) to (B, T, D)."""
        return x + self.gamma * self.pwconv2(gelu(self.pwconv1(self.norm(self.dwconv(x.mT).mT))))


class VocosBackbone(nn.Module):
    """The part that maps features to the hidden states from which the spectrum is predicted."""

    def __init__(self, inputs: int, width: int, inner: int, layers: int, kernel: int) -> None:
        super().__init__()
        self.embedding = nn.Conv1d(inputs, width, kernel, padding="same")
        self.input_norm = nn.LayerNorm(width, eps=1e-6)
        self.layers = nn.Sequential(*(ConvNeXtBlock(width, inner, kernel) for _ in range(layers)))
        self.output_norm = nn.LayerNorm(width, eps=1e-6)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (B, T, D) to (B, T, D')."""
        return self.output_norm(self.layers(self.input_norm(self.embedding(x.mT).mT)))


class Vocos(nn.Module):
    """A generator that predicts magnitude and phase per frame and overlap-adds the inverse transforms."""

    def __init__(
        self, inputs: int, width: int, inner: int, layers: int, kernel: int, n_fft: int, hop: int
    ) -> None:
        super().__init__()
        self.backbone = VocosBackbone(inputs, width, inner, layers, kernel)
        self.head = nn.ModuleDict({"proj": nn.Linear(width, n_fft + 2)})
        self.inverse = InverseSTFT(n_fft, hop)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (B, T, D) to (B, T · hop)."""
        magnitude, phase = self.head["proj"](self.backbone(x)).mT.chunk(2, 1)
        return self.inverse(torch.polar(magnitude.exp().clamp(max=100), phase))
