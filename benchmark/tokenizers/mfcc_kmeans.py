"""K-means over MFCC: a baseline with a codebook but no learned representation."""

from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import torch
from torchaudio.functional import compute_deltas, create_dct

from benchmark.data.mel import LogMel
from benchmark.tokenizers.log_mel import hop_centred_log_mel
from benchmark.tokenizers.quantized import QuantizedFeatures
from benchmark.types import SAMPLE_RATE, TokenizerSpec

HOP = 320
COEFFICIENTS = 13
BANDS = 40


@dataclass(kw_only=True)
class MfccKmeans(QuantizedFeatures):
    """13 MFCC of a 25 ms window with their first and second differences, every 20 ms; k-means.

    These are the features of HuBERT's first iteration (Hsu et al. 2021, section IV), at 50 Hz. Each
    dimension is standardised, so that the largest coefficients do not decide alone. On LibriSpeech the
    codes then share 2.76 instead of 2.71 bit per frame with those of `whisper_kmeans`.
    """

    uid: ClassVar[str] = "benchmark.tokenizers.mfcc_kmeans.MfccKmeans"

    standardise: ClassVar[bool] = True

    @property
    def spec(self) -> TokenizerSpec:
        """The specification. The kind is acoustic: the codes describe the spectral envelope directly."""
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
        return LogMel(n_fft=512, hop_length=HOP, win_length=400, n_mels=BANDS, f_min=20.0, center=False).to(
            self.device
        )

    @cached_property
    def _dct(self) -> torch.Tensor:
        return create_dct(COEFFICIENTS, BANDS, norm="ortho").to(self.device)

    def features(self, wav: torch.Tensor, lengths: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return (B, T', 39): coefficients, and their first and second differences over five frames."""
        frames = (lengths + HOP - 1) // HOP
        rows = [
            self._one(row[: int(count) * HOP]) for row, count in zip(wav, frames, strict=True)
        ]  # one by one, so that differences repeat the utterance's own last frame and not the batch's padding
        return torch.nn.utils.rnn.pad_sequence(rows, batch_first=True), frames

    def _one(self, wav: torch.Tensor) -> torch.Tensor:
        cepstrum = (hop_centred_log_mel(self._analysis, wav[None]) @ self._dct).transpose(1, 2)
        slope = compute_deltas(cepstrum)
        return torch.cat([cepstrum, slope, compute_deltas(slope)], 1)[0].T
