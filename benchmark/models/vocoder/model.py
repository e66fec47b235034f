"""CTX-vec2wav, which turns codes and a prompt into speech."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import nn

from benchmark.models.vocoder.attention import frame_mask
from benchmark.models.vocoder.config import VocoderConfig
from benchmark.models.vocoder.frame_rates import FrameRates
from benchmark.models.vocoder.frontend import Frontend, TokenVectors
from benchmark.models.vocoder.mel import NormalisedMel
from benchmark.models.vocoder.prenet import build_prenet
from benchmark.models.vocoder.prompt import build_prompt

WEIGHTS = "model.safetensors"
"""File of a trained vocoder's weights."""


class Encoded(NamedTuple):
    """Outputs of the encoder part, from which the generator and the frontend's own losses are computed.

    Attributes:
        hidden: (B, T, dim), zero beyond the valid frames.
        mel: (B, T, 80), the normalised log-mel that the frontend predicts.
        auxiliary: (B, T, 3), predicted voicing, pitch and energy, normalised; None without that branch.
        style: (B, features), the raw prompt features averaged over time.
    """

    hidden: torch.Tensor
    mel: torch.Tensor
    auxiliary: torch.Tensor | None
    style: torch.Tensor


class CTXVec2Wav(nn.Module):
    """Acoustic-context-aware vocoder of UniCATS (Du et al., AAAI 2024) and its alpha form.

    Content comes from the codes. Whatever the codes lack, above all the timbre, is gathered from the prompt
    by cross-attention without positions, so that the order of prompt frames does not matter.
    """

    def __init__(
        self,
        config: VocoderConfig,
        rates: FrameRates,
        codebook_sizes: Sequence[int],
        codebook_vectors: torch.Tensor | None,
    ) -> None:
        """Build with new weights.

        Args:
            config: Sizes.
            rates: Frame rates of the tokens and inside the model.
            codebook_sizes: Entries of each codebook.
            codebook_vectors: (K, V, D) vectors behind the codes, or None to learn vectors.
        """
        super().__init__()
        self._arguments = (config, rates, tuple(codebook_sizes), codebook_vectors)
        self.hop_length = rates.hop_length
        self.mel = NormalisedMel(rates.hop_length)
        self.prompt = build_prompt(config.prompt, self.mel)
        self.prenet = build_prenet(config.prompt, self.prompt.features, config.frontend.dim)
        tokens = TokenVectors(codebook_sizes, config.frontend.table_dim, codebook_vectors)
        self.frontend = Frontend(config.frontend, tokens, config.auxiliary)
        self.generator = config.generator.build(config.frontend.dim, self.prompt.features, rates.hop_length)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle arguments and weights, to rebuild from: weight norm cannot be pickled."""
        return _rebuild, (self._arguments, self.state_dict())

    def encode(
        self,
        codes: torch.Tensor,
        lengths: torch.Tensor,
        prompt: torch.Tensor,
        prompt_lengths: torch.Tensor,
        auxiliary: torch.Tensor | None = None,
    ) -> Encoded:
        """Compute everything before the generator.

        Args:
            codes: (B, K, T) at the model's frame rate.
            lengths: (B,) frames.
            prompt: (B, S) samples, zero beyond `prompt_lengths`, or precomputed features (B, S, features).
            prompt_lengths: (B,) samples or frames.
            auxiliary: (B, T, 3), see `Frontend.forward`.
        """
        features, frames = (
            (prompt, prompt_lengths) if prompt.dim() == 3 else self.prompt(prompt, prompt_lengths)
        )
        mask = frame_mask(frames, features.shape[1])
        hidden, mel, predicted = self.frontend(codes, lengths, self.prenet(features, mask), mask, auxiliary)
        style = (features * mask[..., None]).sum(dim=1) / frames[:, None]
        return Encoded(hidden, mel, predicted, style)

    def forward(
        self,
        codes: torch.Tensor,
        lengths: torch.Tensor,
        prompt: torch.Tensor,
        prompt_lengths: torch.Tensor,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Decode whole utterances to the waveform (B, T * hop_length) and the predicted mel, see `encode`."""
        encoded = self.encode(codes, lengths, prompt, prompt_lengths)
        mask = frame_mask(lengths, codes.shape[-1])
        return self.generator(encoded.hidden.transpose(1, 2), mask, encoded.style), encoded.mel


def _rebuild(arguments: tuple[Any, ...], state: dict[str, torch.Tensor]) -> CTXVec2Wav:
    model = CTXVec2Wav(*arguments)
    model.load_state_dict(state)
    return model
