"""Recordings embedded in the page, each once, up to the size limit of the page.

If all recordings fit, they are embedded as FLAC, which restores the 16-bit samples exactly at about two
thirds of the size of a WAV file. If not, all are embedded as Opus at 40 kbit/s in WebM, a sixth of the size.
At that rate listeners find no difference in wideband speech, and the recordings compared here differ by much
more. The page names the format. Every current browser plays both.
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
"""Roles of a recording: the last word of its file name."""

MOST_BYTES = 2_800_000
"""Maximum number of base64 characters that all recordings of a page take together."""

FLAC, OPUS = "audio/flac", "audio/webm"
OPUS_RATE = 40_000
"""Rate of Opus in bit/s."""


@dataclass(frozen=True)
class Sounds:
    """Recordings of a page.

    Attributes:
        clips: Base64 of each sound file, by its name.
        of: Name by role, by job and utterance.
        kind: MIME type of all files.
        left_out: Number of recordings that do not fit into the page.
    """

    clips: dict[str, str]
    of: dict[tuple[str, str], dict[str, str]]
    kind: str = FLAC
    left_out: int = 0


@dataclass(frozen=True)
class _Recording:
    """Samples (T,) as int16 at `rate` Hz; recordings with the same `name` are identical."""

    samples: np.ndarray
    rate: int
    name: str


def collect(folder: Path, jobs: Iterable[tuple[str, Sequence[str]]], most: int = MOST_BYTES) -> Sounds:
    """Collect the recordings below a results folder.

    An utterance comes with the recordings of all jobs of a task or with none, so that tokenizers can be
    compared. Utterances that the most jobs kept come first.

    Args:
        folder: Folder that holds one folder of WAV files per job.
        jobs: Names of the jobs, with the ids of their utterances.
        most: Maximum number of base64 characters of all recordings.
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
    """Map each job and utterance to its clips by role; a group that lacks a clip is left out."""
    of: dict[tuple[str, str], dict[str, str]] = {}
    for (utterance, _), group in groups.items():
        if all(recording.name in clips for recording in group.values()):
            for (job, role), recording in group.items():
                of.setdefault((job, utterance), {})[role] = recording.name
    return of


def _read(path: Path) -> _Recording | None:
    """Read a recording; return None if the file is missing or damaged."""
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
    """Encode a recording as Opus, without the usual date and random serial number."""
    content = io.BytesIO()
    with av.open(content, "w", format="webm", options={"fflags": "+bitexact"}) as container:
        stream = container.add_stream("libopus", rate=recording.rate, layout="mono")
        stream.bit_rate = OPUS_RATE
        frame = av.AudioFrame.from_ndarray(recording.samples[None], format="s16", layout="mono")
        frame.sample_rate = recording.rate
        for part in (frame, None):  # None flushes the encoder
            for packet in stream.encode(part):
                container.mux(packet)
    return content.getvalue()
