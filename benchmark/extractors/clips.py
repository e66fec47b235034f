"""Which clips a pretrained model is given, and which of them together."""

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
    """`work` on the clips that a model can take, and why it cannot take the others, in the order of `wavs`.

    Args:
        wavs: Float (T,) at 16 kHz.
        what: What the model makes, for the reasons.
        work: From clips, float32, to a value each.
        shortest: Fewest samples of a clip.
        silent: Whether digital silence has a value.
    """
    reasons = [_reason(wav, shortest, silent) for wav in wavs]
    sound = [np.asarray(w, np.float32) for w, reason in zip(wavs, reasons, strict=True) if not reason]
    values = iter(work(sound) if sound else ())
    return [AudioError(f"no {what}: {reason}") if reason else next(values) for reason in reasons]


def _reason(wav: np.ndarray, shortest: int, silent: bool) -> str:
    if not np.isfinite(wav).all():
        return "NaN or infinite samples"
    if len(wav) < shortest:
        seconds = f"{len(wav) / SAMPLE_RATE:g} s long, at least {shortest / SAMPLE_RATE:g} s is needed"
        return seconds if len(wav) else "no samples"
    return "" if silent or wav.any() else "digital silence"


def of_one_length(wavs: Sequence[np.ndarray], size: int) -> Iterator[list[int]]:
    """Positions of clips that need no padding beside each other, at most `size` at a time."""
    lengths: dict[int, list[int]] = {}
    for position, wav in enumerate(wavs):
        lengths.setdefault(len(wav), []).append(position)
    for positions in lengths.values():
        yield from (positions[start : start + size] for start in range(0, len(positions), size))
