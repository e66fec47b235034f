"""The decoder of SemantiCodec (Liu et al. 2024, arXiv 2405.00233, section III-D): vectors of codes to sound.

Latent diffusion draws the latent of a mel spectrogram, of which an autoencoder and HiFi-GAN make a waveform.
"""

import math
from collections.abc import Mapping

import torch
from torch import nn
from torch.nn import functional as F

from benchmark.storage.weights import renamed
from benchmark.tokenizers.networks.latent_diffusion import UNet, sample
from benchmark.tokenizers.networks.mel_decoder import HifiGan, MelDecoder

WINDOW = 256
"""Codes that are decoded at once, 10.24 s."""
OVERLAP = 16
"""Codes that successive windows share, 0.64 s."""
HOP = 640
"""Samples per code."""
POSITIONS = 192
"""Channels of the positions beside each vector."""
MASKED = -1.0
"""Value that fills the vectors beyond the end."""

RENAMED = {
    r"^model\.diffusion_model\.": "unet.",
    r"^first_stage_model\.(post_quant_conv|vocoder)\.": r"\1.",
    r"^first_stage_model\.decoder\.": "mel.",
}
"""Names in a published checkpoint, and their replacements here."""
SCALE = "scale_factor"


class SemantiCodecDecoder(nn.Module):
    """Decoder of the vectors of codes.

    Args:
        unet: The network of the diffusion.
        mel: Decoder of latents to spectrograms.
        vocoder: Generator of waveforms.
    """

    scale_factor: torch.Tensor

    def __init__(self, unet: UNet, mel: MelDecoder, vocoder: HifiGan) -> None:
        super().__init__()
        latent = mel.conv_in.in_channels
        self.unet, self.mel, self.vocoder = unet, mel, vocoder
        self.post_quant_conv = nn.Conv2d(latent, latent, 1)
        self.register_buffer(SCALE, torch.ones(()))

    @classmethod
    def of_shapes(cls, state: Mapping[str, torch.Tensor]) -> "SemantiCodecDecoder":
        """Build the network with the sizes of a state dict, whose names are those used here.

        Raises:
            KeyError: the state dict is another model's.
        """
        parts = (
            {name.removeprefix(prefix): t for name, t in state.items() if name.startswith(prefix)}
            for prefix in ("unet.", "mel.", "vocoder.")
        )
        unet, mel, vocoder = parts
        return cls(UNet.of_shapes(unet), MelDecoder.of_shapes(mel), HifiGan.of_shapes(vocoder))

    def forward(self, vectors: torch.Tensor, steps: int, seed: int) -> torch.Tensor:
        """Decode the vectors (T', D) of one utterance to a waveform (T' · HOP,).

        Args:
            vectors: Vectors of codes, acoustic and semantic.
            steps: Steps of the sampling.
            seed: Seed of its noise.
        """
        generator = torch.Generator().manual_seed(seed)
        wav = vectors.new_zeros(0)
        for start in starts(len(vectors)):
            window = vectors[start : start + WINDOW]
            padded = F.pad(window, (0, 0, 0, WINDOW - len(window)), value=MASKED)
            wav = crossfade(wav, self._window(padded, steps, generator))
        return wav[: HOP * len(vectors)]

    def _window(self, vectors: torch.Tensor, steps: int, generator: torch.Generator) -> torch.Tensor:
        """Decode one window (WINDOW, D) to a waveform."""
        places = positions(len(vectors)).to(vectors.device)
        context = torch.cat([vectors, places], 1)[None]
        without = torch.cat([torch.zeros_like(vectors), places], 1)[None]
        latent = sample(self.unet, context, without, steps, generator) / self.scale_factor
        return self.vocoder(self.mel(self.post_quant_conv(latent)))[0]


def starts(codes: int) -> range:
    """Return the first code of each window."""
    shift = WINDOW - OVERLAP
    return range(0, max(1, -(-(codes - OVERLAP) // shift) * shift), shift)


def crossfade(wav: torch.Tensor, following: torch.Tensor) -> torch.Tensor:
    """Append a window to a waveform; both fade linearly where they overlap.

    HiFi-GAN makes 32 samples more than a window has, which upstream keeps; so do we, and each window begins
    2 ms later than its codes.
    """
    if not len(wav):
        return following
    samples = OVERLAP * HOP
    rise = torch.linspace(0, 1, samples, dtype=torch.float64).to(wav)
    shared = wav[-samples:] * rise.flip(0) + following[:samples] * rise
    return torch.cat([wav[:-samples], shared, following[samples:]])


def positions(length: int) -> torch.Tensor:
    """Return sinusoidal positions (length, POSITIONS), sines and cosines in turn (Vaswani et al. 2017)."""
    rates = torch.exp(torch.arange(0, POSITIONS, 2) * -(math.log(10_000) / POSITIONS))
    angles = torch.arange(length)[:, None] * rates
    return torch.stack([angles.sin(), angles.cos()], 2).flatten(1)


def rename(published: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Rename the weights that decoding needs to the names here.

    The autoencoder's encoder, the diffusion's constants and its averaged weights, which upstream does not
    use, are left out.
    """
    parts = ("unet.", "post_quant_conv.", "mel.", "vocoder.", SCALE)
    return {name: tensor for name, tensor in renamed(published, RENAMED).items() if name.startswith(parts)}
