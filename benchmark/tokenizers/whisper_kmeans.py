"""K-means over the hidden states of Whisper's encoder: tokens from supervised speech recognition."""

from dataclasses import dataclass
from functools import cached_property
from math import ceil
from typing import Literal, get_args

import numpy as np
import torch
from faster_whisper.feature_extractor import FeatureExtractor

from benchmark.checkpoints import whisper_backend
from benchmark.errors import UserError
from benchmark.tokenizers.pretrained import Pretrained
from benchmark.tokenizers.quantized import QuantizedFeatures
from benchmark.tokenizers.whisper_encoder import WhisperEncoder, load_encoder
from benchmark.types import SAMPLE_RATE, TokenizerSpec

HOP = 320
WINDOW_FRAMES = 1500
"""30 s: the length Whisper was trained on, and the number of its positions."""

Window = Literal["exact", "30s"]


@dataclass(kw_only=True)
class WhisperKmeans(Pretrained, QuantizedFeatures):
    """Hidden states of a Whisper encoder every 20 ms, coded by k-means.

    Utterances longer than 30 s are cut into windows of equal length.

    Attributes:
        layer: None for the encoder's output after its final norm; l for the output of block l, which
            transformers checkpoints offer only.
        window: "exact" encodes an utterance at its own length, an order of magnitude faster; "30s"
            after zero-padding to 30 s, as Whisper was trained. The features differ.
    """

    layer: int | None = None
    window: Window = "exact"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.window not in get_args(Window):
            raise UserError(f"{self.name}: window must be one of {get_args(Window)}, not {self.window!r}")

    @property
    def spec(self) -> TokenizerSpec:
        """Attention sees padding, so batches are of equal length."""
        return self.make_spec(
            kind="semantic-supervised",
            sample_rate=SAMPLE_RATE,
            frame_rate=SAMPLE_RATE / HOP,
            codebook_sizes=(self.codebook_size,) * self.num_codebooks,
            causal=False,
            can_decode=False,
            supports_padding=False,
        )

    @property
    def has_network(self) -> bool:
        """CTranslate2 runs its own networks, in float32."""
        return whisper_backend(self.folder) == "transformers"

    @cached_property
    def _encoder(self) -> WhisperEncoder:
        return load_encoder(self.folder, self.layer, self.device)

    @cached_property
    def _log_mel(self) -> FeatureExtractor:
        return FeatureExtractor(feature_size=self._encoder.n_mels)

    def features(self, wav: torch.Tensor, lengths: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """(B, T', D) hidden states of utterances of one length."""
        frames = wav.shape[1] // HOP
        windows = np.array_split(np.arange(frames), ceil(frames / WINDOW_FRAMES))
        parts = [self._window(wav[:, w[0] * HOP : (w[-1] + 1) * HOP]) for w in windows]
        return torch.cat(parts, 1), (lengths + HOP - 1) // HOP

    def _window(self, wav: torch.Tensor) -> torch.Tensor:
        """(B, T) of at most 30 s, whole hops, to (B, T / hop, D)."""
        samples = WINDOW_FRAMES * HOP if self.window == "30s" else wav.shape[1]
        padded = torch.nn.functional.pad(wav, (0, samples - wav.shape[1])).cpu().numpy()
        mel = np.stack([self._log_mel(row, padding=0) for row in padded])
        return self._encoder(torch.from_numpy(mel))[:, : wav.shape[1] // HOP].to(self.device)
