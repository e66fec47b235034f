"""Selection and batching of the clips that a pretrained model can process."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from benchmark.data.audio import AudioError
from benchmark.extractors.base import Value
from benchmark.types import SAMPLE_RATE


def on_sound_clips(
    wavs: Sequence[np.ndarray],
    what: str,
    work: Callable[[list[np.ndarray]], Sequence[Value | AudioError]],
    shortest: int = 1,
    silent: bool = False,
) -> list[Value | AudioError]:
    """Return the values of the clips that a model can process, and reasons for the others, in order.

    Args:
        wavs: Clips, float (T,) at 16 kHz.
        what: Name of the model's output, for the reasons.
        work: Function from float32 clips to one value per clip.
        shortest: Smallest number of samples in a clip.
        silent: True if digital silence has a value.
    """
    reasons = [_find_reason(wav, shortest, silent) for wav in wavs]
    sound = [np.asarray(w, np.float32) for w, reason in zip(wavs, reasons, strict=True) if not reason]
    values = iter(work(sound) if sound else ())
    return [AudioError(f"no {what}: {reason}") if reason else next(values) for reason in reasons]


def _find_reason(wav: np.ndarray, shortest: int, silent: bool) -> str:
    if not np.isfinite(wav).all():
        return "NaN or infinite samples"
    if len(wav) < shortest:
        seconds = f"{len(wav) / SAMPLE_RATE:g} s long, at least {shortest / SAMPLE_RATE:g} s is needed"
        return seconds if len(wav) else "no samples"
    return "" if silent or wav.any() else "digital silence"


def of_one_length(wavs: Sequence[np.ndarray], size: int) -> Iterator[list[int]]:
    """Yield the positions of clips of equal length, which need no padding, at most `size` at a time."""
    lengths: dict[int, list[int]] = {}
    for position, wav in enumerate(wavs):
        lengths.setdefault(len(wav), []).append(position)
    for positions in lengths.values():
        yield from (positions[start : start + size] for start in range(0, len(positions), size))
