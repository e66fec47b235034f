"""K-means over the hidden states of Whisper's encoder: tokens from supervised speech recognition."""

from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, get_args

import numpy as np
import torch

from benchmark.errors import UserError
from benchmark.extractors.encoders.whisper import HOP, WINDOW_FRAMES, WhisperFeatures, Window, windows
from benchmark.storage.weights import whisper_backend
from benchmark.tokenizers.pretrained import Pretrained
from benchmark.tokenizers.quantized import QuantizedFeatures
from benchmark.types import SAMPLE_RATE, TokenizerSpec


@dataclass(kw_only=True)
class WhisperKmeans(Pretrained, QuantizedFeatures):
    """Hidden states of a Whisper encoder every 20 ms, coded by k-means.

    Utterances longer than 30 s are cut into windows of equal length.

    Attributes:
        layer: None for the encoder's output after its final norm, or the number of a block for that
            block's output, which only transformers checkpoints offer.
        window: "exact" encodes an utterance at its own length, an order of magnitude faster. "30s" pads it
            with zeros to 30 s, as in Whisper's training. The features differ.
        centre_positions: Whether the mean of each position in the window, over the training speech, is
            subtracted before k-means, see `PositionMeans`. Published centroids come without such means.
    """

    uid: ClassVar[str] = "benchmark.tokenizers.whisper_kmeans.WhisperKmeans"

    layer: int | None = None
    window: Window = "exact"
    centre_positions: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.window not in get_args(Window):
            raise UserError(f"{self.name}: window must be one of {get_args(Window)}, not {self.window!r}")

    @property
    def spec(self) -> TokenizerSpec:
        """The specification. Attention sees padding, so batches must be of equal length."""
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
    def num_positions(self) -> int | None:
        """See `QuantizedFeatures.num_positions`."""
        return WINDOW_FRAMES if self.centre_positions else None

    def places(self, frames: int) -> np.ndarray:
        """See `QuantizedFeatures.places`."""
        return np.concatenate([np.arange(len(window)) for window in windows(frames)])

    @property
    def has_network(self) -> bool:
        """True if transformers runs the encoder; CTranslate2 runs its own networks, in float32."""
        return whisper_backend(self.folder) == "transformers"

    @cached_property
    def _features(self) -> WhisperFeatures:
        return WhisperFeatures(self.folder, self.layer, self.device, self.window)

    def features(self, wav: torch.Tensor, lengths: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the hidden states (B, T', D) of utterances of equal length, and their numbers (B,)."""
        return self._features(wav), (lengths + HOP - 1) // HOP
