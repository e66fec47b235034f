"""Speaker encoders, which represent a voice as one vector; each has a config in `conf/speaker_encoder/`."""

import os
from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from benchmark.data.audio import AudioError
from benchmark.errors import UserError
from benchmark.extractors.base import Batch, ModelExtractor, Value
from benchmark.extractors.clips import on_sound_clips
from benchmark.extractors.libraries import require
from benchmark.storage.checkpoints import resolve
from benchmark.storage.weights import load_into, load_tensors, weights_digest
from benchmark.types import SAMPLE_RATE

Embed = Callable[[list[np.ndarray]], list[np.ndarray]]
"""Function from clips, float32 (T,), to one vector (width,) per clip.

A vector that is empty or not finite counts as a failure.
"""


@dataclass(frozen=True, kw_only=True)
class SpeakerEncoder(ModelExtractor):
    """Base class of all speaker encoders, which give one vector per clip, (1, width).

    Attributes:
        shortest: Smallest number of samples in a clip.
    """

    kind: ClassVar[str] = "embeddings"
    shortest: ClassVar[int] = SAMPLE_RATE // 40

    @property
    @abstractmethod
    def name(self) -> str:
        """Name of the encoder, for definitions."""

    @property
    def treatment(self) -> str:
        """Preprocessing of the clips in words, for definitions; empty for none."""
        return ""

    @abstractmethod
    def embedder(self, device: str) -> Embed:
        """Load the model on a device and return its embedding function.

        Raises:
            UserError: the model is missing.
        """

    def load(self, device: str) -> Batch:
        """See `Extractor.load`; silence counts as a failure, as it has no voice."""
        embed = self.embedder(device)

        def work(wavs: list[np.ndarray]) -> list[Value | AudioError]:
            return [self._or_reason(vector) for vector in embed(wavs)]

        return lambda wavs: on_sound_clips(wavs, "speaker embedding", work, self.shortest)

    def _or_reason(self, vector: np.ndarray) -> Value | AudioError:
        if not len(vector):
            return AudioError("no speaker embedding: no speech found")
        if not np.isfinite(vector).all():
            return AudioError("no speaker embedding: the encoder gave no finite vector")
        return self.pack(vector)


@dataclass(frozen=True, kw_only=True)
class PretrainedEncoder(SpeakerEncoder):
    """Base class of the speaker encoders with a checkpoint.

    Attributes:
        files: Patterns of the checkpoint's files that are read; empty for all.
        checkpoint: Hub id or folder.
        revision: Branch, tag or commit of a hub id.
        licence: Licence of the weights, as their publisher states it; part of no key.
        size_mb: Approximate size of the download in MB; part of no key.
    """

    files: ClassVar[tuple[str, ...]] = ()

    checkpoint: str
    revision: str | None = None
    licence: str = ""
    size_mb: float | None = None

    @cached_property
    def folder(self) -> Path:
        """Local folder of the checkpoint.

        Raises:
            UserError: the checkpoint cannot be found or downloaded.
        """
        return resolve(self.checkpoint, self.revision, self.files)

    def identity(self) -> dict[str, Any]:
        """See `Extractor.identity`."""
        weights = weights_digest(self.folder, self.files)
        return {"class": type(self).__name__, "version": self.version, "weights": weights}


@dataclass(frozen=True, kw_only=True)
class WavlmXvector(PretrainedEncoder):
    """WavLM with an x-vector head (Chen et al. 2022), as transformers' `WavLMForXVector` in float32.

    Clips are processed one at a time, because the base models normalise over the whole clip, padding
    included.
    """

    width: ClassVar[int] = 512
    shortest: ClassVar[int] = (
        SAMPLE_RATE // 2
    )  # the head's context is 0.3 s, and its pooling needs several frames for a standard deviation

    @property
    def name(self) -> str:
        """See `SpeakerEncoder.name`."""
        return f"WavLM x-vector ({self.checkpoint})"

    def embedder(self, device: str) -> Embed:
        """See `SpeakerEncoder.embedder`."""
        import torch
        from transformers import AutoFeatureExtractor, WavLMForXVector

        try:
            extract = AutoFeatureExtractor.from_pretrained(self.folder, local_files_only=True)
            loaded: Any = WavLMForXVector.from_pretrained(
                self.folder, dtype=torch.float32, local_files_only=True, output_loading_info=True
            )
        except (OSError, RuntimeError, ValueError) as error:
            raise UserError(f"{self.checkpoint} is no WavLMForXVector: {error}") from error
        model, report = loaded
        head_of_training = ("masked_spec_embed", "objective.weight")
        lacks = sorted(name for name in report["missing_keys"] if not name.endswith(head_of_training))
        if lacks or model.config.xvector_output_dim != self.width:
            wrong = f"lacks {', '.join(lacks[:3])}" if lacks else f"is not {self.width} wide"
            raise UserError(f"{self.checkpoint} is no WavLM x-vector model: it {wrong}")
        model.eval().requires_grad_(False).to(device)

        def embed(wavs: list[np.ndarray]) -> list[np.ndarray]:
            with torch.no_grad():
                inputs = (extract(w, sampling_rate=SAMPLE_RATE, return_tensors="pt").to(device) for w in wavs)
                return [model(**clip).embeddings[0].cpu().numpy() for clip in inputs]

        return embed


@dataclass(frozen=True, kw_only=True)
class Ecapa(PretrainedEncoder):
    """ECAPA-TDNN (Desplanques et al. 2020) as published by SpeechBrain for VoxCeleb.

    The network is built here, and only the weights are taken from the checkpoint, because the checkpoint's
    own recipe may name arbitrary code to run. Clips are processed one at a time.
    """

    width: ClassVar[int] = 192
    shortest: ClassVar[int] = SAMPLE_RATE // 2
    files: ClassVar[tuple[str, ...]] = ("embedding_model.ckpt",)
    library: ClassVar[str] = "speechbrain"
    extra: ClassVar[str] = "ecapa"

    @property
    def name(self) -> str:
        """See `SpeakerEncoder.name`."""
        return f"ECAPA-TDNN ({self.checkpoint})"

    def identity(self) -> dict[str, Any]:
        """See `Extractor.identity`."""
        require(self.library, self.extra)
        return super().identity() | {"package": version(self.library)}

    def embedder(self, device: str) -> Embed:
        """See `SpeakerEncoder.embedder`."""
        require(self.library, self.extra)
        # Otherwise importing SpeechBrain would enable TensorFloat-32 for all models of this process.
        os.environ.setdefault("SB_DISABLE_QUIRKS", "allow_tf32,disable_jit_profiling")
        import torch
        from speechbrain.lobes.features import Fbank
        from speechbrain.lobes.models.ECAPA_TDNN import ECAPA_TDNN
        from speechbrain.processing.features import InputNormalization

        model = ECAPA_TDNN(
            input_size=80,
            channels=[1024, 1024, 1024, 1024, 3072],
            kernel_sizes=[5, 3, 3, 3, 1],
            dilations=[1, 2, 3, 4, 1],
            attention_channels=128,
            lin_neurons=self.width,
        )
        path = self.folder / self.files[0]
        load_into(model, load_tensors(path), path)
        model.to(device)
        features = Fbank(n_mels=80).to(device)
        normalise = InputNormalization(norm_type="sentence", std_norm=False).to(device)

        def embed(wavs: list[np.ndarray]) -> list[np.ndarray]:
            whole = torch.ones(1, device=device)
            with torch.no_grad():
                clips = (torch.from_numpy(wav)[None].to(device) for wav in wavs)
                return [model(normalise(features(clip), whole))[0, 0].cpu().numpy() for clip in clips]

        return embed
