"""Codes of several rates, and noise that is drawn on the CPU, for codecs built of the layers of SNAC.

Siuzdak et al. 2024, arXiv 2410.14411. The layers are those of the package `snac`.
"""

from collections.abc import Callable, Sequence

import torch
from torch import nn

STRIDES = (4, 2, 1)
"""Frames of the finest codebook that one code of each codebook spans, in SNAC at 24 kHz and in LLM-Codec."""
SEED = 0
"""Seed of the noise. It is fixed, so that decoding is a function of the codes."""


def to_frames(books: Sequence[torch.Tensor]) -> torch.Tensor:
    """Repeat the codes of each codebook, (B, T / stride), to the fastest rate, (B, K, T)."""
    return torch.stack([book.repeat_interleave(s, 1) for book, s in zip(books, STRIDES, strict=True)], 1)


def to_books(codes: torch.Tensor, group: int) -> list[torch.Tensor]:
    """Return the codes of each codebook, (B, T' / stride), of frames (B, K, T).

    Copies of the last frame complete the last group of `group` frames; T' is the number of frames with them.
    """
    whole = torch.cat([codes, codes[..., -1:].repeat(1, 1, -codes.shape[-1] % group)], -1)
    return [whole[:, k, ::stride] for k, stride in enumerate(STRIDES)]


def decode_each(
    decode: Callable[[list[torch.Tensor]], torch.Tensor], books: Sequence[torch.Tensor]
) -> torch.Tensor:
    """Decode utterances one by one, so that the noise depends neither on the batch nor on the device.

    Args:
        decode: Maps the codes of each codebook, (1, T / stride), to a waveform (1, 1, T'); its noise is that
            of `Noise`.
        books: Codes of each codebook, (B, T / stride).

    Returns:
        (B, T').
    """
    rows = []
    with torch.random.fork_rng(devices=[]):
        for row in range(len(books[0])):
            torch.default_generator.manual_seed(SEED)  # `torch.manual_seed` would also seed the GPUs
            rows.append(decode([book[row : row + 1] for book in books])[:, 0])
    return torch.cat(rows)


class Noise(nn.Module):
    """x + noise that all channels share, scaled for each channel and sample by a linear map of x.

    SNAC's own layer draws the noise on the device, and another one on each kind of device.
    """

    def __init__(self, linear: nn.Module) -> None:
        super().__init__()
        self.linear = linear

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (B, channels, T) to the same shape."""
        return x + torch.randn(len(x), 1, x.shape[2]).to(x) * self.linear(x)


def draw_noise_on_cpu(decoder: nn.Module) -> None:
    """Replace SNAC's layers of noise in a decoder by `Noise`; the names of the weights stay."""
    from snac.layers import NoiseBlock

    for name, layer in list(decoder.named_modules()):
        if isinstance(layer, NoiseBlock):
            decoder.set_submodule(name, Noise(layer.linear))
