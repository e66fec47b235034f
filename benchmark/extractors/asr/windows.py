"""Windows of long recordings, cut where the speech is quietest so that no word is cut in two."""

from collections.abc import Iterator

import numpy as np

from benchmark.types import SAMPLE_RATE

WINDOW = 30.0
"""Length in seconds of the windows that Whisper was trained on."""
LONGEST = int(WINDOW * SAMPLE_RATE)
SEARCHED = 5 * SAMPLE_RATE
"""Samples before the end of a window in which the place to cut is sought; people pause more often."""
FRAME = SAMPLE_RATE // 10


def split(wav: np.ndarray) -> Iterator[np.ndarray]:
    """Yield consecutive windows of at most 30 s; none for an empty recording (T,)."""
    while len(wav) > LONGEST:
        place = _quietest(wav, LONGEST - SEARCHED, LONGEST)
        yield wav[:place]
        wav = wav[place:]
    if len(wav):
        yield wav


def halve(wav: np.ndarray) -> list[np.ndarray]:
    """Cut a window (T,) of a second or more in two, in its middle third."""
    place = _quietest(wav, len(wav) // 3, 2 * len(wav) // 3)
    return [wav[:place], wav[place:]]


def _quietest(wav: np.ndarray, first: int, last: int) -> int:
    """Return the centre of the frame with the least energy between two samples, the last of several."""
    count = (last - first) // FRAME
    frames = wav[last - count * FRAME : last].reshape(count, FRAME)
    energies = np.square(frames, dtype=np.float64).sum(axis=1)
    place = count - 1 - int(np.argmin(energies[::-1]))
    return last - (count - place) * FRAME + FRAME // 2
