"""Detection of broken recordings without decoding them in full."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

import soundfile

from benchmark.data.audio import header

CHUNK = 256
"""Files that a worker process takes at a time."""


class Examined(NamedTuple):
    """The result of examining one recording."""

    duration: float
    """Seconds; NaN without a readable header."""
    fault: str | None
    """Fault of the recording, such as "truncated audio"; None if it is sound."""


def examine(path: str | Path) -> Examined:
    """Examine the header of a recording, and in FLAC files the last sample.

    A FLAC header does not reveal that the end of the file is missing.
    """
    duration, fingerprint = header(path)
    if fingerprint == "missing":
        return Examined(duration, "missing audio")
    if fingerprint.startswith("damaged"):
        return Examined(duration, "empty audio file" if fingerprint == "damaged:0" else "damaged audio")
    if str(path).lower().endswith(".flac") and not _has_last_sample(path):
        return Examined(duration, "truncated audio")
    return Examined(duration, None)


def examine_all(paths: Sequence[str | Path], workers: int) -> Iterator[Examined]:
    """Yield the result of `examine` for many files, in order, using `workers` processes."""
    if len(paths) <= CHUNK or workers == 1:
        yield from map(examine, paths)
        return
    with ProcessPoolExecutor(workers, get_context("spawn")) as pool:  # a fork beside threads may hang
        yield from pool.map(examine, paths, chunksize=CHUNK)


def _has_last_sample(path: str | Path) -> bool:
    try:
        with soundfile.SoundFile(str(path)) as file:
            if file.frames == 0:
                return True
            file.seek(file.frames - 1)
            return len(file.read(1)) == 1
    except (soundfile.LibsndfileError, OSError):
        return False
