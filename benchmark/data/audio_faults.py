"""Which recordings are broken, found without decoding them."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

import soundfile

from benchmark.data.audio import header

CHUNK = 256
"""Files a worker takes at a time."""


class Examined(NamedTuple):
    """What was found of one recording."""

    duration: float
    """Seconds; NaN without a readable header."""
    fault: str | None
    """What is wrong with it."""


def examine(path: str | Path) -> Examined:
    """Read the header; of a FLAC the last sample too, as its header does not tell that the end is missing."""
    duration, fingerprint = header(path)
    if fingerprint == "missing":
        return Examined(duration, "missing audio")
    if fingerprint.startswith("damaged"):
        return Examined(duration, "empty audio file" if fingerprint == "damaged:0" else "damaged audio")
    if str(path).lower().endswith(".flac") and not _has_last_sample(path):
        return Examined(duration, "truncated audio")
    return Examined(duration, None)


def examine_all(paths: Sequence[str | Path], workers: int) -> Iterator[Examined]:
    """`examine` of many files, in order, by so many processes."""
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
