"""Speaker similarity by Resemblyzer, the encoder that the CTX-vec2wav papers report (SECS)."""

import warnings
from functools import cached_property
from importlib.metadata import version
from typing import Any

import numpy as np

from benchmark.data.audio import AudioError


class SpeakerEncoder:
    """Resemblyzer's GE2E encoder (Wan et al. 2018); its weights lie in its wheel.

    The volume is raised to -30 dBFS and long silences are cut out by WebRTC VAD before the encoder
    sees the clip, as the reference implementation does it. The model is loaded when first needed.
    """

    def __init__(self, device: str = "cpu") -> None:
        self.device = device

    def identity(self) -> dict[str, Any]:
        """Everything that an embedding depends on but the audio, JSON-able."""
        return {"name": "resemblyzer", "package": version("resemblyzer"), "version": 1}

    @cached_property
    def _resemblyzer(self) -> tuple[Any, Any]:
        """The encoder and its preprocessing."""
        with warnings.catch_warnings():  # of the ageing imports inside the package
            warnings.simplefilter("ignore")
            from resemblyzer import VoiceEncoder, preprocess_wav
        return VoiceEncoder(self.device, verbose=False), preprocess_wav

    def embed(self, wav: np.ndarray) -> np.ndarray:
        """Voice of one clip.

        Args:
            wav: Float (T,) at 16 kHz; clipped to [-1, 1], beyond which the VAD's integers overflow.

        Returns:
            Float32 (256,) of length one, no element negative.

        Raises:
            AudioError: the VAD finds no speech, or the encoder gives no finite vector.
        """
        if not np.isfinite(wav).all():
            raise AudioError("no speaker embedding: NaN or infinite samples")
        if not wav.any():
            raise AudioError("no speaker embedding: digital silence")
        encoder, preprocess = self._resemblyzer
        speech = preprocess(np.clip(wav, -1.0, 1.0).astype(np.float32))
        if not len(speech):
            raise AudioError("no speaker embedding: no speech found")
        embedding = np.asarray(encoder.embed_utterance(speech), dtype=np.float32)
        if not np.isfinite(embedding).all():
            raise AudioError("no speaker embedding: the encoder gave no finite vector")
        return embedding


def similarity(first: np.ndarray, second: np.ndarray) -> float:
    """Cosine of two embeddings (D,); NaN where one of them is zero."""
    first, second = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    scale = np.linalg.norm(first) * np.linalg.norm(second)
    return float(first @ second / scale) if scale else float("nan")
