"""The network of LLM-Codec (Yang et al. 2024, UniAudio 1.5, arXiv 2406.10056, section 3).

Encoder and decoder are SNAC's: depthwise convolutions with Snake activations, attention within windows of
eight frames, and noise in the decoder (Siuzdak et al. 2024, arXiv 2410.14411). The codebooks are tables of
word embeddings of LLaMA 2, which training left as they were, behind one linear layer each that is learnt.
"""

from collections.abc import Mapping, Sequence
from math import lcm, prod

import torch
from torch import nn
from torch.nn import functional as F

from benchmark.tokenizers.networks.nearest import nearest
from benchmark.tokenizers.networks.snac import STRIDES, draw_noise_on_cpu

WINDOW = 8
"""Frames that attend to one another."""
GROUP = lcm(WINDOW, *STRIDES)
"""Frames of which the network sees whole multiples only."""


class LlmCodecNetwork(nn.Module):
    """The codec: a waveform to codes of three rates and back.

    Args:
        strides: Strides of the encoder's convolutions, first to last; their product is the hop.
        filters: Channels after the first convolution; they double with each stride.
        width: Channels at the start of the decoder; they halve with each stride.
        sizes: Entries of each codebook.
    """

    def __init__(self, strides: Sequence[int], filters: int, width: int, sizes: Sequence[int]) -> None:
        from snac.layers import Decoder, Encoder

        super().__init__()
        dimension = filters * 2 ** len(strides)
        self.hop = prod(strides)
        self.encoder = Encoder(filters, strides, depthwise=True, attn_window_size=WINDOW)
        self.books = nn.ParameterList(torch.zeros(size, dimension) for size in sizes)
        self.decoder = Decoder(
            dimension, width, strides[::-1], noise=True, depthwise=True, attn_window_size=WINDOW
        )
        draw_noise_on_cpu(self.decoder)

    @classmethod
    def of_shapes(cls, state: Mapping[str, torch.Tensor]) -> "LlmCodecNetwork":
        """Build the network with the sizes of a state dict, see `project`.

        Raises:
            KeyError: the state dict is another model's.
        """
        strides = [state["encoder.block.1.block.4.weight_v"].shape[2] // 2]
        while (name := f"encoder.block.{len(strides) + 1}.block.4.weight_v") in state:
            strides.append(state[name].shape[2] // 2)
        return cls(
            strides=strides,
            filters=len(state["encoder.block.0.weight_v"]),
            width=len(state["decoder.model.1.weight_v"]),
            sizes=[len(state[f"books.{level}"]) for level in range(len(STRIDES))],
        )

    def encode(self, wav: torch.Tensor) -> list[torch.Tensor]:
        """Encode a waveform (B, T) to the codes of each book, (B, T' / stride).

        T' is the number of frames after zeros complete the last group of `GROUP` frames.
        """
        wav = F.pad(wav, (0, -wav.shape[1] % (self.hop * GROUP)))
        residual = self.encoder(wav[:, None])
        codes = []
        for stride, book in zip(STRIDES, self.books, strict=True):
            latents = F.normalize(F.avg_pool1d(residual, stride, stride).transpose(1, 2), dim=-1)
            entries = F.normalize(book)
            # Row by row, because distances to 32,000 entries take much memory.
            codes.append(torch.stack([nearest(row, entries) for row in latents]))
            residual = residual - spread(codes[-1], book, stride)
        return codes

    def decode(self, codes: Sequence[torch.Tensor]) -> torch.Tensor:
        """Decode the codes of each book, (B, T' / stride), to a waveform (B, 1, T' · hop); draws noise."""
        books = zip(STRIDES, self.books, codes, strict=True)
        vectors = [spread(code, book, stride) for stride, book, code in books]
        return self.decoder(vectors[0] + vectors[1] + vectors[2])


def spread(codes: torch.Tensor, book: torch.Tensor, stride: int) -> torch.Tensor:
    """Return the vectors (B, D, stride · T) of codes (B, T), each repeated `stride` times."""
    return F.embedding(codes, book).transpose(1, 2).repeat_interleave(stride, -1)


def project(published: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Return the weights of a published state dict, with one book in the place of each table and its layer.

    The linear layer behind each table of word embeddings is applied once, here. What remains of a table of
    32,000 × 4,096 is 32,000 × 512. Encoder and decoder keep their published names, which are those of `snac`.
    """
    state = {n: tensor for n, tensor in published.items() if n.startswith(("encoder.", "decoder."))}
    for level in range(len(STRIDES)):
        layer = f"quantizer.quantizers.{level}"
        words, weight, bias = (
            published[f"{layer}.{name}"].float()
            for name in ("codebook.weight", "cb_proj.weight", "cb_proj.bias")
        )
        state[f"books.{level}"] = F.linear(words, weight, bias)
    return state
