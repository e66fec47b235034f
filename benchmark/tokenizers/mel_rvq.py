"""Residual vector quantization of the log-mel spectrum: an acoustic tokenizer without a network."""

from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import torch

from benchmark.data.mel import LogMel
from benchmark.tokenizers.log_mel import hop_centred_log_mel
from benchmark.tokenizers.quantized import QuantizedFeatures
from benchmark.types import SAMPLE_RATE, TokenizerSpec

HOP = 320
"""Samples per frame, 20 ms: the frame rate of the semantic tokenizers that it is compared with."""


@dataclass(kw_only=True)
class MelRvq(QuantizedFeatures):
    """80 log-mel bands every 20 ms, coded by K residual codebooks.

    The 50 ms Hann window is 2.5 hops long. Frames therefore overlap enough to cover every sample, and the
    harmonics of a low voice are still resolved. Frame t is centred on hop t (`log_mel`).
    """

    uid: ClassVar[str] = "benchmark.tokenizers.mel_rvq.MelRvq"

    standardise: ClassVar[bool] = True

    num_codebooks: int = 4

    @property
    def spec(self) -> TokenizerSpec:
        """The specification. Not causal, because the window looks 15 ms past its hop."""
        return TokenizerSpec(
            name=self.name,
            kind="acoustic",
            sample_rate=SAMPLE_RATE,
            frame_rate=SAMPLE_RATE / HOP,
            codebook_sizes=(self.codebook_size,) * self.num_codebooks,
            causal=False,
            can_decode=False,
            supports_padding=True,
        )

    @cached_property
    def _analysis(self) -> LogMel:
        return LogMel(n_fft=1024, hop_length=HOP, win_length=800, n_mels=80, center=False).to(self.device)

    def features(self, wav: torch.Tensor, lengths: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return natural-log mel amplitudes (B, T', 80), and the frames of each utterance (B,)."""
        return hop_centred_log_mel(self._analysis, wav), (lengths + HOP - 1) // HOP
