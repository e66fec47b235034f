"""Phones from eSpeak NG: the exact times of the phones it speaks, and the phones of a text."""

import ctypes
import re
from collections.abc import Sequence

import numpy as np

from benchmark.data.synthesis.espeak import (
    CHARS_UTF8,
    SYNTHESIS_RATE,
    loaded_voice,
    require_espeak,
    synthesize_with_onsets,
    variant_lines,
)

PAUSE = ""
"""Name of a stretch without a phone."""

# Mode of `espeak_TextToPhonemes`: IPA, with this character between phones.
_SEPARATOR = "_"
_PHONEME_MODE = ord(_SEPARATOR) << 8 | 0x02
_STRESS = re.compile("[ˈˌ]")
_LANGUAGE_SWITCH = re.compile(r"\([^)]*\)")


def phone_spans(
    text: str, voice: str, variant: str | None, rate: int, pitch: int
) -> tuple[list[str], np.ndarray, int]:
    """Return the phones that `synthesize` speaks for the same arguments, and their first samples.

    The library reports where a phone begins to sound. The short silence before a stop (its closure) and
    before some other phones counts as part of the phone, unless a pause precedes.

    Returns:
        IPA names without stress, with `PAUSE` for pauses; the first sample (int64) of each, ascending;
        the number of samples.
    """
    samples, onsets = synthesize_with_onsets(text, voice, variant, rate, pitch)
    silent = _find_silence(samples.astype(np.int64), *_read_echo(variant))
    names: list[str] = []
    starts: list[int] = []
    following = [onset for _, onset in onsets[1:]] + [len(samples)]
    for (name, onset), end in zip(onsets, following, strict=True):
        if name == PAUSE and names and 2 * np.count_nonzero(silent[onset:end]) < end - onset:
            continue  # a glide between two vowels, which has no IPA letter, is part of the first vowel
        start = onset
        if names and names[-1] != PAUSE and name != PAUSE:
            sounding = np.flatnonzero(~silent[starts[-1] : onset])
            start = starts[-1] + int(sounding[-1]) + 1 if len(sounding) else onset
        names.append(_STRESS.sub("", name))
        starts.append(start)
    return names, np.array(starts, np.int64), len(samples)


def _read_echo(variant: str | None) -> tuple[int, int]:
    """Return the delay in samples and the gain in 1/256 of a variant's echo; zeros if it has none."""
    lines = variant_lines(variant, require_espeak()[1])
    settings = [line.split()[1:3] for line in lines if line.startswith("echo")]
    delay, gain = map(int, settings[-1]) if settings else (0, 0)
    return delay * SYNTHESIS_RATE // 1000, gain


def _find_silence(samples: np.ndarray, delay: int, gain: int) -> np.ndarray:
    """Return a mask of the samples where the synthesizer is silent.

    Silence is zero or, to the bit, the echo of earlier samples. Recorded sounds, such as the bursts of
    stops, enter the echo with three quarters of their amplitude.
    """
    if not delay:
        return samples == 0
    past = np.concatenate((np.zeros(delay, np.int64), samples[:-delay]))[: len(samples)]
    recorded = np.fix(past * 3 / 4).astype(np.int64)
    return (samples == past * gain >> 8) | (samples == recorded * gain >> 8)


def spell(texts: Sequence[str], voice: str) -> list[list[str]]:
    """Return the IPA phones of each text as read by `voice`, without stress and word boundaries.

    Raises:
        UserError: eSpeak NG is not installed.
        ValueError: the voice does not exist.
    """
    return [_spell_text(text, voice) for text in texts]


def _spell_text(text: str, voice: str) -> list[str]:
    content = ctypes.create_string_buffer(text.encode())
    rest = ctypes.c_void_p(ctypes.addressof(content))
    clauses = []
    with loaded_voice(voice) as library:
        library.espeak_TextToPhonemes.restype = ctypes.c_char_p
        while rest.value:  # the library reads one clause at a time
            spoken = library.espeak_TextToPhonemes(ctypes.byref(rest), CHARS_UTF8, _PHONEME_MODE)
            clauses.append((spoken or b"").decode())
    plain = _STRESS.sub("", _LANGUAGE_SWITCH.sub("", " ".join(clauses)))
    return [phone for phone in re.split(rf"[\s{_SEPARATOR}]+", plain) if phone]
