"""Features of the recordings that several trainings share, computed once: prompt features, auxiliary targets.

Cached prompt features differ from those computed on the fly. For the cache, the encoder reads the whole
utterance, and training cuts out the frames of the prompt; on the fly, the encoder reads the prompt alone.
Cached frames have therefore attended to the content, and have context on both sides, while those of a short
prompt begin without any. Synthesis always encodes a whole prompt recording, whose context is closer in length
to that of cached frames. Cached prompt features are rounded to half precision.
"""

import logging
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmark.data.audio import AudioError, read_audio
from benchmark.data.manifest import Manifest
from benchmark.errors import UserError
from benchmark.models.vocoder.auxiliary import FEATURES, auxiliary_features
from benchmark.models.vocoder.config import PromptConfig, VocoderConfig
from benchmark.models.vocoder.data import PROMPT_HOP, KeptFeatures
from benchmark.models.vocoder.frame_rates import FrameRates
from benchmark.models.vocoder.prompt import PromptEncoder
from benchmark.storage.artifacts import ArtifactStore
from benchmark.storage.checkpoints import resolve
from benchmark.storage.frame_store import FORMAT, FrameStore, FrameWriter
from benchmark.storage.shards import ShardedBuild, made_bytes, make
from benchmark.storage.weights import weights_digest
from benchmark.types import SAMPLE_RATE

log = logging.getLogger(__name__)

PROMPT_VERSION = AUXILIARY_VERSION = 1
KEPT_FREE = 1 << 30
"""Bytes of disk space that a cache leaves free."""


def prompt_identity(config: PromptConfig) -> dict[str, Any]:
    """Return everything that prompt features depend on beside the audio, such as the encoder's weights.

    Raises: UserError when the checkpoint of the encoder cannot be found.
    """
    identity: dict[str, Any] = {"features": config.features}
    if config.features == "mel":
        return identity
    identity |= {"layer": config.layer, "random_weights": config.random_weights}
    if not config.random_weights:
        identity["weights"] = weights_digest(resolve(config.checkpoint or "", config.revision))
    return identity


def prompt_store(
    config: PromptConfig,
    encoder: PromptEncoder,
    manifest: Manifest,
    store: ArtifactStore,
    device: str,
    progress: bool = False,
) -> FrameStore:
    """Return the prompt features of whole utterances in half precision, shared by tokenizers and vocoders.

    Raises: UserError when the features would not fit on the disk, before anything is written.
    """
    if config.features == "mel":
        raise UserError(
            "prompt.cache=true: mel prompts cost less than reading them; leave prompt.cache=false"
        )

    def encode(wav: np.ndarray) -> np.ndarray:
        samples = torch.from_numpy(wav)[None].to(device)
        features, frames = encoder(samples, torch.tensor([len(wav)], device=device))
        return features[0, : int(frames[0])].cpu().numpy()

    key = {"version": PROMPT_VERSION, "prompt": prompt_identity(config), "manifest": manifest.digest}
    return _kept("prompts", key, manifest, store, encode, (encoder.features, "float16", PROMPT_HOP), progress)


def auxiliary_store(
    rates: FrameRates, manifest: Manifest, store: ArtifactStore, progress: bool = False
) -> FrameStore:
    """Return voicing, pitch and energy of every model frame, shared by tokenizers with the same frames."""

    def extract(wav: np.ndarray) -> np.ndarray:
        aligned = torch.from_numpy(rates.from_first_frame(wav))
        return np.asarray(auxiliary_features(aligned, rates.hop_length))

    key = {
        "version": AUXILIARY_VERSION,
        "hop_length": rates.hop_length,
        "frame_offset": rates.frame_offset,
        "manifest": manifest.digest,
    }
    return _kept(
        "auxiliary", key, manifest, store, extract, (FEATURES, "float32", rates.hop_length), progress
    )


def kept_features(
    config: VocoderConfig,
    rates: FrameRates,
    encoder: PromptEncoder,
    manifest: Manifest,
    store: ArtifactStore,
    device: str,
    progress: bool = False,
) -> KeptFeatures:
    """Return the features of a manifest that this recipe caches; most recipes cache none.

    Args:
        config: `prompt.cache` and `auxiliary` decide what is cached.
        rates: Model frames of the tokens.
        encoder: The prompt encoder of the config.
        manifest: The recordings.
        store: Store of the artifacts.
        device: Device that the encoder runs on.
        progress: Whether to show progress bars.
    """
    prompts = auxiliary = None
    if config.prompt.cache:
        prompts = prompt_store(config.prompt, encoder, manifest, store, device, progress)
    if config.auxiliary is not None:
        auxiliary = auxiliary_store(rates, manifest, store, progress)
    return KeptFeatures(prompts, auxiliary)


def _kept(
    kind: str,
    key: dict[str, Any],
    manifest: Manifest,
    store: ArtifactStore,
    compute: Callable[[np.ndarray], np.ndarray],
    layout: tuple[int, str, int],
    progress: bool,
) -> FrameStore:
    """Return an artifact whose frames (width, dtype, hop) are computed one utterance at a time."""
    width, dtype, hop = layout

    def build(rows: slice, folder: Path) -> None:
        writer = FrameWriter(folder, width, dtype)
        for utterance in manifest.part(rows):
            try:
                wav = read_audio(utterance.audio_path)
            except AudioError as error:  # the tokens of this utterance are missing for the same reason
                writer.fail(utterance.utterance_id, str(error))
            else:
                writer.add(utterance.utterance_id, compute(wav))
        writer.close()

    recipe = ShardedBuild(kind, key | {"format": FORMAT}, len(manifest), build)
    if not store.has(kind, recipe.key):
        store.root.mkdir(parents=True, exist_ok=True)
        size = manifest.hours * 3600 * SAMPLE_RATE / hop * width * np.dtype(dtype).itemsize
        _announce(kind, manifest.hours, size - made_bytes(recipe, store), store.root)
    return FrameStore(make(recipe, store, kind if progress else None))


def _announce(kind: str, hours: float, missing: float, folder: Path) -> None:
    free = shutil.disk_usage(folder).free
    cost = f"{hours:.1f} h of speech need {missing / 1e9:.2f} GB; {folder} has {free / 1e9:.2f} GB free"
    log.info("caching %s features: %s", kind, cost)
    if missing > free - KEPT_FREE:
        without = ", or leave prompt.cache=false" if kind == "prompts" else ""
        raise UserError(
            f"{kind}: the features of {cost}. "
            f"Set paths.cache to a larger disk or train on fewer utterances{without}"
        )
