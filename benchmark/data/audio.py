"""Reading and writing audio: one decode, mono, 16 kHz float32."""

from pathlib import Path

import numpy as np
import soundfile
import soxr

from benchmark.types import SAMPLE_RATE

MIN_SECONDS = 0.1
"""Shorter clips hold no analysis window of the models and are refused."""


class AudioError(Exception):
    """One recording cannot be used; the utterance counts as failed and the rest goes on."""


def resample(wav: np.ndarray, source_rate: int, target_rate: int) -> np.ndarray:
    """Resample float32 samples on the last axis, (T,) or (B, T), with soxr's HQ filter."""
    if source_rate == target_rate:
        return wav
    return soxr.resample(wav.T, source_rate, target_rate).T.astype(np.float32)


def read_audio(path: str | Path) -> np.ndarray:
    """Read a file as mono float32 (T,) at 16 kHz; channels are averaged, other rates resampled.

    Raises:
        AudioError: the file is missing, damaged, shorter than 0.1 s or holds NaN or infinity.
    """
    try:
        wav, rate = soundfile.read(str(path), dtype="float32", always_2d=True)
    except (soundfile.LibsndfileError, OSError) as error:
        raise AudioError(f"unreadable audio {path}: {error}") from error
    mono = wav.mean(axis=1)
    if len(mono) < MIN_SECONDS * rate:
        raise AudioError(f"{path} lasts {len(mono) / rate:.3f} s; at least {MIN_SECONDS} s is needed")
    if not np.isfinite(mono).all():
        raise AudioError(f"{path} holds NaN or infinite samples")
    return resample(mono, rate, SAMPLE_RATE)


def write_audio(path: str | Path, wav: np.ndarray) -> None:
    """Write float samples (T,) at 16 kHz as 16-bit PCM; the suffix names the container (.flac, .wav)."""
    soundfile.write(str(path), np.clip(wav, -1.0, 1.0), SAMPLE_RATE, subtype="PCM_16")


def header(path: str | Path) -> tuple[float, str]:
    """Duration in seconds and a fingerprint "frames:rate:bytes", from the header alone.

    A damaged header gives NaN and a fingerprint by size; reading the file then fails and is counted.
    """
    size = Path(path).stat().st_size
    try:
        info = soundfile.info(str(path))
    except soundfile.LibsndfileError:
        return float("nan"), f"damaged:{size}"
    return info.frames / info.samplerate, f"{info.frames}:{info.samplerate}:{size}"
