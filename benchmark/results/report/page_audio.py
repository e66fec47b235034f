"""Recordings inside the page: each once, as many as the page may weigh.

They are embedded as FLAC where they all fit: it gives the 16-bit samples back exactly, at about two thirds of
a WAV's size. Where they do not, all are embedded as Opus at 40 kbit/s in WebM, a sixth of the size: of
wideband speech that is a rate at which listeners find no difference, and what is compared here differs by
much more. The page says which it is. Every current browser plays both.
"""

import base64
import hashlib
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
import soundfile

from benchmark.storage.hashing import file_name

ROLES = ("source", "prompt", "reconstructed", "converted")
"""What a recording is, as the last word of its file's name says."""

MOST_BYTES = 2_800_000
"""Characters of base64 that all recordings of a page may take together."""

FLAC, OPUS = "audio/flac", "audio/webm"
OPUS_RATE = 40_000
"""Bit/s."""


@dataclass(frozen=True)
class Sounds:
    """Recordings of a page.

    Attributes:
        clips: Base64 of a sound file by its name.
        of: Name by role, by job and utterance.
        kind: MIME type of all files.
        left_out: Recordings that the page has no room for.
    """

    clips: dict[str, str]
    of: dict[tuple[str, str], dict[str, str]]
    kind: str = FLAC
    left_out: int = 0


@dataclass(frozen=True)
class _Recording:
    """Samples (T,) as int16 at `rate` Hz; two of one `name` are the same."""

    samples: np.ndarray
    rate: int
    name: str


def collect(folder: Path, jobs: Iterable[tuple[str, Sequence[str]]], most: int = MOST_BYTES) -> Sounds:
    """The recordings below a results folder.

    An utterance comes with the recordings of all jobs of a task or with none, so that tokenizers can be
    compared; those that the most jobs kept come first.

    Args:
        folder: With one folder of WAV files per job.
        jobs: The jobs' names and their utterances' ids.
        most: Bytes of base64 that must not be exceeded.
    """
    groups: dict[tuple[str, str], dict[tuple[str, str], _Recording]] = {}
    for job, utterances in jobs:
        if (folder / job).is_dir():
            for utterance in utterances:
                for role in ROLES:
                    recording = _read(folder / job / f"{file_name(utterance)}_{role}.wav")
                    if recording:
                        task = job.partition("__")[0]
                        groups.setdefault((utterance, task), {})[job, role] = recording
    every = {recording.name: recording for group in groups.values() for recording in group.values()}
    flac = {name: base64.b64encode(_flac(each)).decode() for name, each in every.items()}
    if sum(map(len, flac.values())) <= most:
        return Sounds(flac, _places(groups, flac), FLAC)
    clips: dict[str, str] = {}
    for key in sorted(groups, key=lambda key: (-len({job for job, _ in groups[key]}), key)):
        opus = {
            each.name: base64.b64encode(_opus(each)).decode()
            for each in groups[key].values()
            if each.name not in clips
        }
        if sum(map(len, clips.values())) + sum(map(len, opus.values())) <= most:
            clips |= opus
    return Sounds(clips, _places(groups, clips), OPUS, len(every) - len(clips))


def _places(
    groups: dict[tuple[str, str], dict[tuple[str, str], _Recording]], clips: dict[str, str]
) -> dict[tuple[str, str], dict[str, str]]:
    """Where each clip is heard; groups of which one is missing have none."""
    of: dict[tuple[str, str], dict[str, str]] = {}
    for (utterance, _), group in groups.items():
        if all(recording.name in clips for recording in group.values()):
            for (job, role), recording in group.items():
                of.setdefault((job, utterance), {})[role] = recording.name
    return of


def _read(path: Path) -> _Recording | None:
    """None when there is no such file, or it is damaged."""
    if not path.is_file():
        return None
    try:
        samples, rate = soundfile.read(path, dtype="int16")
    except (soundfile.LibsndfileError, OSError):
        return None
    if not len(samples) or samples.ndim > 1:
        return None
    return _Recording(samples, rate, hashlib.sha256(samples.tobytes()).hexdigest()[:16])


def _flac(recording: _Recording) -> bytes:
    content = io.BytesIO()
    soundfile.write(content, recording.samples, recording.rate, format="FLAC", subtype="PCM_16")
    return content.getvalue()


def _opus(recording: _Recording) -> bytes:
    """Without the date and the random serial number that such files usually hold."""
    content = io.BytesIO()
    with av.open(content, "w", format="webm", options={"fflags": "+bitexact"}) as container:
        stream = container.add_stream("libopus", rate=recording.rate, layout="mono")
        stream.bit_rate = OPUS_RATE
        frame = av.AudioFrame.from_ndarray(recording.samples[None], format="s16", layout="mono")
        frame.sample_rate = recording.rate
        for part in (frame, None):  # None: what the encoder still holds
            for packet in stream.encode(part):
                container.mux(packet)
    return content.getvalue()
