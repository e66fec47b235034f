"""Audio input and output: mono float32, decoded once, at 16 kHz unless a tokenizer hears another rate."""

import io
import re
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import soundfile
import soxr

from benchmark.data.thread_map import in_threads
from benchmark.types import SAMPLE_RATE, Utterance

MIN_SECONDS = 0.1
"""Shortest accepted clip in seconds; the analysis windows of the models do not fit into shorter ones."""

_SOUND = re.compile(r"\d+:(\d+):\d+")
"""Fingerprint by `header` of a file that can be read, with its sample rate as the group."""

_UNKNOWN_FRAMES = 2**63 - 1
"""Number of frames that libsndfile reports for a FLAC without a stated length (encoded into a pipe)."""

_UNKNOWN_BYTES = 0x7FFF0000
"""Stated sizes from about here on are placeholders: sox writes 0x7FFFF000, ffmpeg 0xFFFFFFFF."""


class AudioError(Exception):
    """An error of one recording, which counts as failed while the others are still processed."""


def resample(wav: np.ndarray, source_rate: int, target_rate: int) -> np.ndarray:
    """Resample float32 samples on the last axis, (T,) or (B, T), with soxr's HQ filter."""
    if source_rate == target_rate:
        return wav
    return soxr.resample(wav.T, source_rate, target_rate).T.astype(np.float32)


def read_audio(path: str | Path, target_rate: int = SAMPLE_RATE) -> np.ndarray:
    """Read a file as mono float32 (T,) at `target_rate`; channels are averaged, other rates resampled.

    Raises:
        AudioError: the file is missing, damaged, cut off, without a stated length, shorter than 0.1 s,
            or it holds NaN or infinity.
    """
    try:
        with soundfile.SoundFile(str(path)) as file:
            rate = file.samplerate
            if file.frames == _UNKNOWN_FRAMES:
                raise AudioError(f"the header of {path} does not state its length; encode it again")
            stated = file.frames / rate + _cut_off(file.frames / rate, file.extra_info)
            wav = file.read(dtype="float32", always_2d=True)
    except (soundfile.LibsndfileError, OSError, TypeError, MemoryError) as error:
        # TypeError: soundfile refuses files named .raw; MemoryError: the header states too many frames.
        raise AudioError(f"unreadable audio {path}: {error}") from error
    if stated - len(wav) / rate > MIN_SECONDS:
        raise AudioError(
            f"{path} is cut off: {len(wav) / rate:.3f} s of the {stated:.3f} s its header states"
        )
    mono = wav.mean(axis=1)
    if len(mono) < MIN_SECONDS * rate:
        raise AudioError(f"{path} lasts {len(mono) / rate:.3f} s; at least {MIN_SECONDS} s is needed")
    if not np.isfinite(mono).all():
        raise AudioError(f"{path} holds NaN or infinite samples")
    return resample(mono, rate, target_rate)


def write_audio(path: str | Path, wav: np.ndarray) -> None:
    """Write float samples (T,) at 16 kHz as 16-bit PCM; the suffix names the container (.flac, .wav)."""
    soundfile.write(str(path), np.clip(wav, -1.0, 1.0), SAMPLE_RATE, subtype="PCM_16")


def wav_bytes(wav: np.ndarray) -> bytes:
    """Return float samples (T,) at 16 kHz as the content of a 16-bit WAV file."""
    content = io.BytesIO()
    soundfile.write(content, np.clip(wav, -1.0, 1.0), SAMPLE_RATE, format="WAV", subtype="PCM_16")
    return content.getvalue()


def header(path: str | Path) -> tuple[float, str]:
    """Return duration in seconds and a fingerprint "frames:rate:bytes", from the header alone.

    For a missing file or a damaged header, the duration is NaN and the fingerprint says so. Reading the file
    later fails, and the failure is counted.
    """
    try:
        size = Path(path).stat().st_size
        with soundfile.SoundFile(str(path)) as file:
            frames, rate, log = file.frames, file.samplerate, file.extra_info
    except OSError:
        return float("nan"), "missing"
    except (soundfile.LibsndfileError, TypeError):
        return float("nan"), f"damaged:{size}"
    seconds = frames / rate
    if frames == _UNKNOWN_FRAMES or _cut_off(seconds, log) > MIN_SECONDS:
        return float("nan"), f"damaged:{size}"
    return seconds, f"{frames}:{rate}:{size}"


def recorded_rate(recording: Utterance) -> int | None:
    """Return the sample rate of a recording's file in Hz; None if `header` finds the file unreadable.

    A fingerprint that `header` made is believed; the file is opened only if the fingerprint is another one.
    """
    stated = _SOUND.fullmatch(recording.fingerprint) or _SOUND.fullmatch(header(recording.audio_path)[1])
    return int(stated[1]) if stated else None


def _cut_off(seconds: float, log: str) -> float:
    """Return how many seconds a WAV or AIFF states beyond the `seconds` it holds, by libsndfile's chunk log.

    libsndfile reads a truncated file as a shorter one. Programs that write into a pipe cannot know the
    length, and state a placeholder close to or above 2 GiB, which is ignored.
    """
    found = re.search(r"^ ?(?:data|SSND) : (\d+) \(should be (\d+)\)$", log, re.MULTILINE)
    if found is None:
        return 0.0
    stated, held = map(int, found.groups())
    return seconds * (stated / held - 1) if 0 < held < stated < _UNKNOWN_BYTES else 0.0


def headers(paths: Iterable[str | Path]) -> list[tuple[float, str]]:
    """Return the result of `header` for many files, in order."""
    return list(in_threads(header, list(paths)))
