"""The latent diffusion of SemantiCodec: a U-Net that attends to code vectors, and DDIM sampling.

Rombach et al. 2022, arXiv 2112.10752; Song et al. 2021, arXiv 2010.02502 (DDIM); Salimans & Ho 2022, arXiv
2202.00512 (the network predicts velocities); Ho & Salimans 2022, arXiv 2207.12598 (guidance). The names of
the modules are those of the published weights.
"""

import math
from collections.abc import Mapping

import torch
from torch import nn
from torch.nn import functional as F

CHANNELS, TIMES, BANDS = 8, 256, 16
"""Shape of a latent: channels, steps of 40 ms, bands."""
FACTORS = (1, 2, 3, 5)
"""Channels of each level of the U-Net, in multiples of the first; each level halves times and bands."""
BLOCKS = 2
HEAD = 32
"""Channels of an attention head."""
GROUPS = 32
STEPS = 1000
"""Steps of the diffusion in training."""
BETAS = (0.0015, 0.0195)
GUIDANCE = 2.0


class UNet(nn.Module):
    """A U-Net over latents, conditioned on the diffusion step and on a sequence of vectors.

    Args:
        width: Channels of the first level.
        context: Channels of the vectors.
    """

    def __init__(self, width: int, context: int) -> None:
        super().__init__()
        self.width, time = width, 4 * width
        self.time_embed = nn.Sequential(nn.Linear(width, time), nn.SiLU(), nn.Linear(time, time))
        down, skips, channels = [Stage(nn.Conv2d(CHANNELS, width, 3, padding=1))], [width], width
        for level, factor in enumerate(FACTORS):
            for _ in range(BLOCKS):
                down.append(stage(channels, factor * width, time, context if level else None))
                channels = factor * width
                skips.append(channels)
            if level < len(FACTORS) - 1:
                down.append(Stage(Halve(channels)))
                skips.append(channels)
        self.input_blocks = nn.ModuleList(down)
        middle = stage(channels, channels, time, context)
        self.middle_block = Stage(*middle, Residual(channels, channels, time))
        up = []
        for level, factor in reversed(list(enumerate(FACTORS))):
            for block in range(BLOCKS + 1):
                layers = stage(channels + skips.pop(), factor * width, time, context if level else None)
                channels = factor * width
                up.append(Stage(*layers, Double(channels)) if level and block == BLOCKS else layers)
        self.output_blocks = nn.ModuleList(up)
        self.out = nn.Sequential(
            nn.GroupNorm(GROUPS, width), nn.SiLU(), nn.Conv2d(width, CHANNELS, 3, padding=1)
        )

    @classmethod
    def of_shapes(cls, state: Mapping[str, torch.Tensor]) -> "UNet":
        """Build the network with the sizes of a published state dict.

        Raises:
            KeyError: the state dict is another model's.
        """
        context = state["middle_block.2.transformer_blocks.0.attn2.to_k.weight"].shape[1]
        return cls(len(state["input_blocks.0.0.weight"]), context)

    def forward(self, x: torch.Tensor, step: int, context: torch.Tensor) -> torch.Tensor:
        """Predict the velocity of latents x (B, C, T, F) at a diffusion step, given vectors (B, T', D)."""
        half = self.width // 2
        frequencies = torch.exp(-math.log(10_000) * torch.arange(half, device=x.device) / half)
        angles = step * frequencies
        time = self.time_embed(torch.cat([angles.cos(), angles.sin()])[None])
        skips = []
        for block in self.input_blocks:
            x = block(x, time, context)
            skips.append(x)
        x = self.middle_block(x, time, context)
        for block in self.output_blocks:
            x = block(torch.cat([x, skips.pop()], 1), time, context)
        return self.out(x)


def stage(inputs: int, outputs: int, time: int, context: int | None) -> "Stage":
    """Build a residual block and, if `context` is given, a transformer without and one with context."""
    layers: list[nn.Module] = [Residual(inputs, outputs, time)]
    if context is not None:
        layers += [Transformer(outputs), Transformer(outputs, context)]
    return Stage(*layers)


class Stage(nn.ModuleList):
    """Layers in sequence, each of which gets what it is conditioned on."""

    def __init__(self, *layers: nn.Module) -> None:
        super().__init__(layers)

    def forward(self, x: torch.Tensor, time: torch.Tensor, context: torch.Tensor) -> torch.Tensor:
        """Map (B, C, T, F) to (B, C', T', F')."""
        for layer in self:
            if isinstance(layer, Residual):
                x = layer(x, time)
            elif isinstance(layer, Transformer):
                x = layer(x, context)
            else:
                x = layer(x)
        return x


class Residual(nn.Module):
    """x + two normed convolutions of x; the embedded diffusion step is added between them."""

    def __init__(self, inputs: int, outputs: int, time: int) -> None:
        super().__init__()
        self.in_layers = nn.Sequential(
            nn.GroupNorm(GROUPS, inputs), nn.SiLU(), nn.Conv2d(inputs, outputs, 3, padding=1)
        )
        self.emb_layers = nn.Sequential(nn.SiLU(), nn.Linear(time, outputs))
        self.out_layers = nn.Sequential(
            nn.GroupNorm(GROUPS, outputs),
            nn.SiLU(),
            nn.Identity(),  # dropout in training
            nn.Conv2d(outputs, outputs, 3, padding=1),
        )
        same = inputs == outputs
        self.skip_connection = nn.Identity() if same else nn.Conv2d(inputs, outputs, 1)

    def forward(self, x: torch.Tensor, time: torch.Tensor) -> torch.Tensor:
        """Map (B, inputs, T, F) to (B, outputs, T, F)."""
        hidden = self.in_layers(x) + self.emb_layers(time)[..., None, None]
        return self.skip_connection(x) + self.out_layers(hidden)


class Transformer(nn.Module):
    """x + a transformer layer over all places of x; its second attention may look at vectors instead."""

    def __init__(self, channels: int, context: int | None = None) -> None:
        super().__init__()
        self.with_context = context is not None
        self.norm = nn.GroupNorm(GROUPS, channels, 1e-6)
        self.proj_in = nn.Conv2d(channels, channels, 1)
        self.transformer_blocks = nn.ModuleList([TransformerLayer(channels, context or channels)])
        self.proj_out = nn.Conv2d(channels, channels, 1)

    def forward(self, x: torch.Tensor, context: torch.Tensor) -> torch.Tensor:
        """Map (B, channels, T, F) to the same shape, given vectors (B, T', D)."""
        places = self.proj_in(self.norm(x)).flatten(2).transpose(1, 2)
        places = self.transformer_blocks[0](places, context if self.with_context else None)
        return x + self.proj_out(places.transpose(1, 2).unflatten(2, x.shape[2:]))


class TransformerLayer(nn.Module):
    """Two attentions and a gated feed-forward network, each added to its input."""

    def __init__(self, channels: int, context: int) -> None:
        super().__init__()
        self.attn1 = Attention(channels, channels)
        self.attn2 = Attention(channels, context)
        layers = Gated(channels, 4 * channels), nn.Identity(), nn.Linear(4 * channels, channels)
        self.ff = nn.ModuleDict({"net": nn.Sequential(*layers)})
        self.norm1, self.norm2, self.norm3 = (nn.LayerNorm(channels) for _ in range(3))

    def forward(self, x: torch.Tensor, context: torch.Tensor | None) -> torch.Tensor:
        """Map (B, N, channels) to the same shape; without context the second attention looks at x too."""
        normed = self.norm1(x)
        x = x + self.attn1(normed, normed)
        normed = self.norm2(x)
        x = x + self.attn2(normed, normed if context is None else context)
        return x + self.ff["net"](self.norm3(x))


class Attention(nn.Module):
    """Attention of a sequence to another."""

    def __init__(self, channels: int, context: int) -> None:
        super().__init__()
        self.to_q = nn.Linear(channels, channels, bias=False)
        self.to_k = nn.Linear(context, channels, bias=False)
        self.to_v = nn.Linear(context, channels, bias=False)
        self.to_out = nn.Sequential(nn.Linear(channels, channels))

    def forward(self, x: torch.Tensor, context: torch.Tensor) -> torch.Tensor:
        """Map (B, N, channels), given (B, M, context), to (B, N, channels)."""
        projected = self.to_q(x), self.to_k(context), self.to_v(context)
        q, k, v = (part.unflatten(-1, (-1, HEAD)).transpose(1, 2) for part in projected)
        return self.to_out(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2))


class Gated(nn.Module):
    """A linear layer whose outputs are gated by those of another (GEGLU, Shazeer 2020, arXiv 2002.05202)."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.proj = nn.Linear(inputs, 2 * outputs)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (…, inputs) to (…, outputs)."""
        values, gates = self.proj(x).chunk(2, dim=-1)
        return values * F.gelu(gates)


class Halve(nn.Module):
    """A convolution of stride two."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.op = nn.Conv2d(channels, channels, 3, stride=2, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (B, C, T, F) to (B, C, T / 2, F / 2)."""
        return self.op(x)


class Double(nn.Module):
    """Repetition of every value, and a convolution."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (B, C, T, F) to (B, C, 2 T, 2 F)."""
        return self.conv(F.interpolate(x, scale_factor=2.0, mode="nearest"))


def sample(
    network: UNet, context: torch.Tensor, without: torch.Tensor, steps: int, generator: torch.Generator
) -> torch.Tensor:
    """Draw one latent (1, C, T, F) by DDIM with as much noise as the diffusion has (η = 1).

    Args:
        network: The U-Net, which predicts velocities.
        context: (1, T', D) vectors that guide.
        without: (1, T', D) vectors that stand for no guidance.
        steps: Steps of the sampling; a divisor of `STEPS`.
        generator: Source of the noise, on the CPU, so that the noise does not depend on the device.
    """
    kept = signal_shares()
    shape = (1, CHANNELS, TIMES, BANDS)
    x = torch.randn(shape, generator=generator).to(context.device)
    visited = [1 + step for step in range(0, STEPS, STEPS // steps)]
    previous = [0, *visited[:-1]]
    for step, before in zip(reversed(visited), reversed(previous), strict=True):
        now, then = float(kept[step]), float(kept[before])
        free = network(x, step, without)
        velocity = free + GUIDANCE * (network(x, step, context) - free)
        clean = math.sqrt(now) * x - math.sqrt(1 - now) * velocity
        noise = math.sqrt(now) * velocity + math.sqrt(1 - now) * x
        spread = math.sqrt((1 - then) / (1 - now) * (1 - now / then))
        x = math.sqrt(then) * clean + math.sqrt(1 - then - spread**2) * noise
        x = x + spread * torch.randn(shape, generator=generator).to(x.device)
    return x


def signal_shares() -> torch.Tensor:
    """Return the share of the signal's variance that is left after each step of the diffusion, (STEPS,)."""
    first, last = (beta**0.5 for beta in BETAS)
    return torch.cumprod(1 - torch.linspace(first, last, STEPS, dtype=torch.float64) ** 2, 0)
