"""What is derived from audio by a fixed model and kept: transcripts, pitch, speaker embeddings.

None of it depends on the tokenizer when the audio is the reference, so all tokenizers share it.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from tqdm import tqdm

from benchmark.data.audio import AudioError, read_audio
from benchmark.metrics.asr import Transcriber
from benchmark.metrics.pitch import EXTRACTOR, f0_track
from benchmark.metrics.speaker import SpeakerEncoder
from benchmark.tasks.base import Setting

TRANSCRIBE_AT_ONCE = 64


def transcripts(
    files: Mapping[str, Path], source: str, transcriber: Transcriber, setting: Setting
) -> dict[str, str]:
    """ASR transcript by utterance id; `source` identifies the audio (an artifact's or manifest's digest)."""

    def build(folder: Path) -> None:
        names = list(files)
        texts: list[str] = []
        for start in tqdm(
            range(0, len(names), TRANSCRIBE_AT_ONCE), "transcribe", disable=not setting.progress
        ):
            wavs = [read_audio(files[name]) for name in names[start : start + TRANSCRIBE_AT_ONCE]]
            texts += transcriber.transcribe(wavs)
        frame = pd.DataFrame({"utterance_id": names, "text": texts}, dtype=object)
        frame.to_parquet(folder / "transcripts.parquet", index=False)

    key = {"audio": source, "asr": transcriber.identity()}
    folder = setting.store.get("transcripts", key, build)
    frame = pd.read_parquet(folder / "transcripts.parquet")
    return dict(zip(frame["utterance_id"], frame["text"], strict=True))


def pitch(files: Mapping[str, Path], source: str, setting: Setting) -> dict[str, np.ndarray]:
    """F0 track (frames,) in Hz by utterance id; see `metrics.pitch`."""
    return _vectors("pitch", files, {"audio": source, "extractor": EXTRACTOR}, f0_track, setting)


def embeddings(
    files: Mapping[str, Path], source: str, encoder: SpeakerEncoder, setting: Setting
) -> dict[str, np.ndarray]:
    """Speaker embedding by utterance id."""
    key = {"audio": source, "encoder": encoder.identity()}
    return _vectors("embeddings", files, key, encoder.embed, setting)


def _vectors(
    kind: str,
    files: Mapping[str, Path],
    key: dict[str, Any],
    compute: Callable[[np.ndarray], np.ndarray],
    setting: Setting,
) -> dict[str, np.ndarray]:
    """One vector per file; a file that cannot be read is absent."""

    def build(folder: Path) -> None:
        rows = []
        for name, path in tqdm(files.items(), kind, disable=not setting.progress):
            try:
                rows.append((name, np.asarray(compute(read_audio(path)), np.float32)))
            except AudioError:
                continue
        frame = pd.DataFrame(rows, columns=["utterance_id", "values"])
        frame.to_parquet(folder / "vectors.parquet", index=False)

    folder = setting.store.get(kind, key | {"ids": list(files)}, build)
    frame = pd.read_parquet(folder / "vectors.parquet")
    return dict(zip(frame["utterance_id"], frame["values"], strict=True))
