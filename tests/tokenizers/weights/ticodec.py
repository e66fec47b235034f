from pathlib import Path

import torch
from torch.nn.functional import normalize

from benchmark.tokenizers.networks.ticodec import Decoder, Encoder
from benchmark.tokenizers.ticodec import CODEBOOK_SIZE, INVARIANT_CODES, WEIGHTS, TiCodec

CHANNELS = 8
PUBLISHED = {"time_invariant.": "GlobalTokenEncoder.", "strided.": "ups."}
"""Prefixes of parameters, and those of the published checkpoints in their place."""


def published(part: torch.nn.Module) -> dict[str, torch.Tensor]:
    """Rename a part's weights to the published names, with kernels as gain and direction.

    Upstream's encoder has no weight norm on its last convolution, nor in the branch for the voice.
    """
    state = {}
    for name, tensor in part.state_dict().items():
        plain = name.startswith("time_invariant") or (isinstance(part, Encoder) and "conv_post" in name)
        for ours, theirs in PUBLISHED.items():
            name = theirs + name.removeprefix(ours) if name.startswith(ours) else name
        if tensor.ndim == 3 and not plain:
            state[f"{name}_g"] = tensor.norm(dim=(1, 2), keepdim=True)
            state[f"{name}_v"] = 2 * tensor
        else:
            state[name] = tensor
    return state


def write(tokenizer: TiCodec, folder: Path) -> None:
    encoder = Encoder(CHANNELS, 2 * CHANNELS, 4 * CHANNELS).eval().requires_grad_(False)
    decoder = Decoder(16 * CHANNELS, 16 * CHANNELS).requires_grad_(False)
    for conv in (decoder.conv_pre, *decoder.strided):
        conv.weight *= 3  # else the biases drown the codes
    pitch = torch.rand(8, 30).repeat_interleave(320, 1) * 150 + 80
    sounds = (pitch / 24_000).cumsum(1) % 1 - 0.5 + 0.02 * torch.randn(8, 9_600)
    sounds *= torch.rand(8, 30).repeat_interleave(320, 1)
    for conv in encoder.time_invariant.conv[::2]:
        conv.weight *= 10  # else every sound has the same voice
    middle = encoder.middle(sounds)
    latents = encoder.latents(middle).transpose(1, 2).flatten(0, 1)
    *layers, norm = encoder.time_invariant.fn
    pooled = torch.nn.Sequential(*layers)(encoder.time_invariant.conv(middle).mean(2))
    norm.running_mean.copy_(pooled.mean(0))
    norm.running_var.copy_(pooled.var(0))
    books = {}
    for level in range(tokenizer.num_codebooks):
        name = f"quantizer_modules{level + 1 if level else ''}.0.embedding.weight"
        spread = latents.std() * 0.5**level * latents.shape[1] ** 0.5
        books[name] = spread * normalize(torch.randn(CODEBOOK_SIZE, latents.shape[1]))
        books[name] += 0 if level else latents.mean(0)
    steps = torch.linspace(-20, 20, CODEBOOK_SIZE)[:, None]  # close enough to distinguish similar voices
    for index in range(INVARIANT_CODES):
        line = normalize(torch.randn(1, 4 * CHANNELS // INVARIANT_CODES))
        books[f"quantizer_modules_globaltokens.{index}.embedding.weight"] = steps * line
    path = folder / WEIGHTS.format(tokenizer.num_codebooks).replace("*", "00250000")
    path.parent.mkdir(parents=True)
    unused = {"linear.0.weight": torch.zeros(32, 32), "linear.0.bias": torch.zeros(32)}
    parts = {"encoder": {**published(encoder), **unused}, "generator": published(decoder)}
    torch.save({**parts, "quantizer": books}, path)
