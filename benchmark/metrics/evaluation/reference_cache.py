"""Cache of extracted values of originals and prompts, computed once and shared by all tokenizers."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from joblib import delayed

from benchmark.data.audio import AudioError, read_audio
from benchmark.data.manifest import Manifest
from benchmark.extractors.base import Batch, Extractor, Value
from benchmark.metrics.evaluation.single_thread import one_thread, workers
from benchmark.storage.artifacts import ArtifactStore
from benchmark.storage.frame_store import FORMAT, FrameStore, FrameWriter
from benchmark.storage.shards import ShardedBuild, make
from benchmark.types import Utterance

AT_ONCE = 64
"""Clips that a model gets at a time: enough to form batches of similar lengths."""


class ReferenceCache:
    """Cached values of one extractor for the recordings of a manifest."""

    def __init__(self, extractor: Extractor, frames: FrameStore) -> None:
        self.extractor = extractor
        self._frames = frames

    def __getitem__(self, utterance_id: str) -> Value | AudioError:
        """Return the value of a recording, or the error that explains why there is none."""
        if utterance_id in self._frames.failures:
            return AudioError(self._frames.failures[utterance_id])
        return self.extractor.unpack(self._frames.read(utterance_id))


def cache_values(
    extractor: Extractor,
    manifest: Manifest,
    store: ArtifactStore,
    device: str = "cpu",
    processes: int = 1,
    progress: bool = False,
) -> ReferenceCache:
    """Return the values of every recording of a manifest, after computing those that are missing.

    Args:
        extractor: Extractor of the values.
        manifest: The recordings.
        store: Store that keeps the values.
        device: Device on which models run.
        processes: Number of processes for extractors without a model.
        progress: Whether to show a progress bar.
    """

    def build(rows: slice, folder: Path) -> None:
        writer = FrameWriter(folder, extractor.width, extractor.dtype)
        utterances = manifest.part(rows)
        values = _values(extractor, utterances, device, processes)
        for utterance, value in zip(utterances, values, strict=True):
            if isinstance(value, AudioError):
                writer.fail(utterance.utterance_id, str(value))
            else:
                writer.add(utterance.utterance_id, extractor.pack(value))
        writer.close()

    key = {"audio": manifest.digest, "extractor": extractor.identity(), "format": FORMAT}
    recipe = ShardedBuild(extractor.kind, key, len(manifest), build)
    return ReferenceCache(extractor, FrameStore(make(recipe, store, extractor.kind if progress else None)))


def _values(
    extractor: Extractor, utterances: Sequence[Utterance], device: str, processes: int
) -> Iterator[Value | AudioError]:
    paths = [utterance.audio_path for utterance in utterances]
    if extractor.batched:
        work = extractor.load(device)
        for start in range(0, len(paths), AT_ONCE):
            yield from extract_batch(work, [_read(path) for path in paths[start : start + AT_ONCE]])
    else:
        jobs = (delayed(_extract_file)(extractor, path) for path in paths)
        yield from workers(processes)(jobs)


def extract_batch(work: Batch, clips: Sequence[np.ndarray | AudioError]) -> list[Value | AudioError]:
    """Extract the values of the clips that could be read; errors of the others are passed through."""
    values = iter(work([clip for clip in clips if isinstance(clip, np.ndarray)]))
    return [clip if isinstance(clip, AudioError) else next(values) for clip in clips]


def _extract_file(extractor: Extractor, path: str) -> Value | AudioError:
    with one_thread():
        [value] = extract_batch(extractor.load("cpu"), [_read(path)])
    return value


def _read(path: str) -> np.ndarray | AudioError:
    try:
        return read_audio(path)
    except AudioError as error:
        return error
