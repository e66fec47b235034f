"""Whisper's encoder on its two backends, CTranslate2 and transformers."""

from math import ceil
from pathlib import Path
from typing import Literal, Protocol

import ctranslate2
import numpy as np
import torch
from faster_whisper.feature_extractor import FeatureExtractor

from benchmark.errors import UserError
from benchmark.storage.weights import whisper_backend

HOP = 320
WINDOW_FRAMES = 1500
"""Frames of 30 s, the length of Whisper's training windows and the number of its position embeddings."""

Window = Literal["exact", "30s"]


class WhisperEncoder(Protocol):
    """An encoder from log-mel spectrograms of up to 30 s to hidden states."""

    n_mels: int
    width: int

    def __call__(self, mel: torch.Tensor) -> torch.Tensor:
        """Encode (B, n_mels, 2 T) float32, in frames of 10 ms, to (B, T, D) float32, in frames of 20 ms."""
        ...

    def to(self, device: torch.device) -> None:
        """Move the encoder to a device, if the backend supports that."""
        ...


def load_encoder(folder: Path, layer: int | None, device: str) -> WhisperEncoder:
    """Load the encoder of the checkpoint in `folder`.

    Args:
        folder: A CTranslate2 or a transformers checkpoint.
        layer: None for the output after the final layer norm; l for the output of block l, counted from
            one, as block l + 1 would receive it.
        device: "cpu" or "cuda".

    Raises:
        UserError: the backend cannot return this layer, or the model is not deep enough.
    """
    if whisper_backend(folder) == "transformers":
        return TransformersEncoder(folder, layer, device)
    if layer is not None:
        raise UserError(
            f"layer={layer}: CTranslate2 weights give the encoder's output only; set layer=null, or "
            "checkpoint to a transformers checkpoint such as openai/whisper-tiny.en"
        )
    return CTranslate2Encoder(folder, device)


class CTranslate2Encoder:
    """Encoder of a CTranslate2 model, computed in float32 whatever the precision of the stored weights."""

    def __init__(self, folder: Path, device: str) -> None:
        self._model = ctranslate2.models.Whisper(
            str(folder), device=device, compute_type="float32", intra_threads=torch.get_num_threads()
        )
        self.n_mels = self._model.n_mels
        self.width = self(torch.zeros(1, self.n_mels, 2)).shape[-1]  # the library does not expose the width

    def __call__(self, mel: torch.Tensor) -> torch.Tensor:
        """Encode (B, n_mels, 2 T) to (B, T, D)."""
        features = ctranslate2.StorageView.from_array(np.ascontiguousarray(mel.cpu().numpy()))
        return torch.from_numpy(np.array(self._model.encode(features, to_cpu=True)))

    def to(self, device: torch.device) -> None:
        """Ignore the request, as CTranslate2 models stay on the device that they were loaded to."""


class TransformersEncoder:
    """Encoder of a transformers model, run block by block.

    The library's own forward pass accepts only 30 s, and does not return intermediate blocks before the
    norm. The arithmetic is the same.
    """

    def __init__(self, folder: Path, layer: int | None, device: str) -> None:
        from transformers import WhisperModel  # imported here, as it takes seconds and CTranslate2 needs none

        model = WhisperModel.from_pretrained(folder, dtype=torch.float32, local_files_only=True)
        self._encoder = model.get_encoder().eval().requires_grad_(False).to(device)
        self.n_mels, self.width = model.config.num_mel_bins, model.config.d_model
        depth = len(self._encoder.layers)
        if layer is not None and not 1 <= layer <= depth:
            raise UserError(f"layer={layer}: this Whisper has layers 1 to {depth}, or null for its output")
        self._layer = layer
        self._device = torch.device(device)

    @torch.no_grad()
    def __call__(self, mel: torch.Tensor) -> torch.Tensor:
        """Encode (B, n_mels, 2 T) to (B, T, D)."""
        encoder = self._encoder
        hidden = torch.nn.functional.gelu(encoder.conv1(mel.to(self._device)))
        hidden = torch.nn.functional.gelu(encoder.conv2(hidden)).transpose(1, 2)
        hidden = hidden + encoder.embed_positions.weight[: hidden.shape[1]]
        for block in encoder.layers[: self._layer]:
            hidden = block(hidden, None)
        return encoder.layer_norm(hidden) if self._layer is None else hidden

    def to(self, device: torch.device) -> None:
        """Move the encoder to a device."""
        self._encoder.to(device)
        self._device = device


def windows(frames: int) -> list[np.ndarray]:
    """Return the frame numbers of each window that an utterance of `frames` frames is cut into."""
    return np.array_split(np.arange(frames), ceil(frames / WINDOW_FRAMES))


class WhisperFeatures:
    """Hidden states of a Whisper encoder, one every `HOP` samples, for speech of any length."""

    def __init__(self, folder: Path, layer: int | None, device: str, window: Window = "exact") -> None:
        """Load the encoder.

        Args:
            folder: See `load_encoder`, also for the errors.
            layer: See `load_encoder`.
            device: See `load_encoder`.
            window: "exact" encodes speech at its own length; "30s" encodes speech zero-padded to 30 s, as
                in Whisper's training. The features differ.
        """
        self._encoder = load_encoder(folder, layer, device)
        self._log_mel = FeatureExtractor(feature_size=self._encoder.n_mels)
        self._window = window
        self.width = self._encoder.width

    def __call__(self, wav: torch.Tensor) -> torch.Tensor:
        """Encode speech of equal lengths, (B, T) in whole hops, to (B, T / HOP, D) on the device of `wav`.

        Speech longer than 30 s is cut into windows of equal length.
        """
        parts = [self._encode(wav[:, w[0] * HOP : (w[-1] + 1) * HOP]) for w in windows(wav.shape[1] // HOP)]
        return torch.cat(parts, 1).to(wav.device)

    def to(self, device: torch.device) -> None:
        """Move the encoder to a device, if its backend supports that."""
        self._encoder.to(device)

    def _encode(self, wav: torch.Tensor) -> torch.Tensor:
        """Encode speech of at most 30 s, (B, T), to (B, T / HOP, D)."""
        samples = WINDOW_FRAMES * HOP if self._window == "30s" else wav.shape[1]
        padded = torch.nn.functional.pad(wav, (0, samples - wav.shape[1])).cpu().numpy()
        mel = np.stack([self._log_mel(row, padding=0) for row in padded])
        return self._encoder(torch.from_numpy(mel))[:, : wav.shape[1] // HOP]
