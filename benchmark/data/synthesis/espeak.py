"""Reproducible speech synthesis with eSpeak NG through ctypes: 16-bit samples that depend on the text alone.

The library keeps state from one utterance to the next (oscillator phase, flutter, noise generators) and
seeds its noise from the clock; `espeak_Terminate` resets little of this state. Every call in this module
therefore loads the library, seeds it, speaks, and unloads it again, so that an utterance does not depend on
earlier ones. Loading takes about 1 ms, and speaking about 10 ms.
"""

import ctypes
import os
import threading
from _ctypes import dlclose
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count as counter
from itertools import takewhile
from pathlib import Path

import numpy as np

from benchmark.errors import UserError

SYNTHESIS_RATE = 22_050
"""Sampling rate of every voice, Hz."""

# Constants of espeak-ng/speak_lib.h.
CHARS_UTF8 = 1
_AUDIO_OUTPUT_SYNCHRONOUS = 2
_PHONEME_EVENTS, _PHONEME_IPA, _DONT_EXIT = 0x0001, 0x0002, 0x8000
_EVENTS_END, _EVENT_PHONEME = 0, 7
_RATE, _PITCH, _RANGE = 1, 3, 4

_NOISE_SEED = 1
_lock = threading.Lock()


class _Event(ctypes.Structure):
    """The struct `espeak_EVENT`, with the phoneme name as the only member of its union.

    A name of 8 bytes fills the field and has no final zero.
    """

    _fields_ = (
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),  # ms, rounded down
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("name", ctypes.c_ubyte * 8),
    )


_CALLBACK = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event)
)


def synthesize(
    text: str, voice: str, variant: str | None = None, rate: int = 160, pitch: int = 50, pitch_range: int = 50
) -> np.ndarray:
    """Synthesise `text`; the same arguments give the same samples in any process, thread and order.

    Args:
        text: Plain text.
        voice: Language or accent, such as "en-us", "en-gb-x-rp" or "de".
        variant: Timbre, a file of the library's `voices/!v` such as "m3" or "f2". Variants with a
            Klatt synthesizer are refused, because they draw noise from libc's process-wide `rand`.
        rate: Words per minute, 80 to 450.
        pitch: Base pitch, 0 to 99; 50 is the variant's own.
        pitch_range: Depth of intonation, 0 (monotone) to 99; 50 is the variant's own.

    Returns:
        int16 (T,) at `SYNTHESIS_RATE`.

    Raises:
        UserError: eSpeak NG is not installed.
        ValueError: the voice or variant does not exist, or the variant is a Klatt one.
    """
    return _speak(text, voice, variant, rate, pitch, pitch_range, events=False)[0]


def synthesize_with_onsets(
    text: str, voice: str, variant: str | None = None, rate: int = 160, pitch: int = 50, pitch_range: int = 50
) -> tuple[np.ndarray, list[tuple[str, int]]]:
    """Synthesise like `synthesize`, and also return the name and first sample of every phoneme.

    The samples equal those of `synthesize` to the bit. Names are the library's IPA with stress marks, cut
    to 8 bytes; a pause has an empty name. Arguments and errors are those of `synthesize`.
    """
    return _speak(text, voice, variant, rate, pitch, pitch_range, events=True)


def _speak(
    text: str, voice: str, variant: str | None, rate: int, pitch: int, pitch_range: int, events: bool
) -> tuple[np.ndarray, list[tuple[str, int]]]:
    blocks: list[bytes] = []
    onsets: list[tuple[str, int]] = []

    @_CALLBACK
    def collect(
        samples: "ctypes._Pointer[ctypes.c_short]", count: int, events: "ctypes._Pointer[_Event]"
    ) -> int:
        if samples and count > 0:
            blocks.append(ctypes.string_at(samples, 2 * count))
        for event in takewhile(lambda event: event.type != _EVENTS_END, map(events.__getitem__, counter())):
            if event.type == _EVENT_PHONEME:
                name = bytes(event.name).partition(b"\0")[0]
                onsets.append((name.decode(errors="ignore"), event.sample))
        return 0

    with loaded_voice(voice, variant, events) as library:
        library.espeak_SetSynthCallback(collect)
        for parameter, value in ((_RATE, rate), (_PITCH, pitch), (_RANGE, pitch_range)):
            library.espeak_SetParameter(parameter, value, 0)
        data = text.encode()
        if library.espeak_Synth(data, len(data) + 1, 0, 0, 0, CHARS_UTF8, None, None) != 0:
            raise RuntimeError(f"eSpeak NG could not speak {text!r}")
        library.espeak_Synchronize()
    return np.frombuffer(b"".join(blocks), dtype="<i2").astype(np.int16), onsets


@contextmanager
def loaded_voice(voice: str, variant: str | None = None, events: bool = False) -> Iterator[ctypes.CDLL]:
    """Yield the library in its initial state with a voice set, to one thread at a time.

    Args:
        voice: See `synthesize`, also for the errors.
        variant: See `synthesize`.
        events: True to have the library report phonemes by their IPA names as it speaks.
    """
    library_path, data_path = require_espeak()
    variant_lines(variant, data_path)
    with _lock, _loaded(library_path, data_path, events) as library:
        name = f"{voice}+{variant}" if variant else voice
        if library.espeak_SetVoiceByName(name.encode()) != 0:
            raise ValueError(f"eSpeak NG has no voice {voice!r}")
        yield library


def require_espeak() -> tuple[str, Path]:
    """Return the library file and the data folder of the installed wheel.

    Raises:
        UserError: the wheel is not installed.
    """
    try:
        import espeakng_loader
    except ImportError as error:
        raise UserError(
            "eSpeak NG, which speaks the synthetic corpus and converts texts to phones, needs the package "
            "espeakng-loader, which is not installed; run: pip install -e .[mini]"
        ) from error
    return str(espeakng_loader.get_library_path()), Path(espeakng_loader.get_data_path())


def variant_lines(variant: str | None, data_path: Path) -> list[str]:
    """Return the settings of a variant, one per line; no lines if `variant` is None.

    Raises:
        ValueError: the variant does not exist, which the library would ignore, or is a Klatt voice.
    """
    if variant is None:
        return []
    path = data_path / "voices" / "!v" / variant
    if not path.is_file():
        raise ValueError(f"eSpeak NG has no variant {variant!r}")
    text = path.read_text(encoding="utf-8", errors="replace")
    if "klatt" in text:
        raise ValueError(f"variant {variant!r} is a Klatt voice; its noise cannot be seeded")
    return text.splitlines()


@contextmanager
def _loaded(library_path: str, data_path: Path, events: bool) -> Iterator[ctypes.CDLL]:
    """Yield the library in its initial state with its noise seeded, and unload it afterwards."""
    library = ctypes.CDLL(library_path)
    options = _DONT_EXIT | (_PHONEME_EVENTS | _PHONEME_IPA if events else 0)
    try:
        rate = library.espeak_Initialize(_AUDIO_OUTPUT_SYNCHRONOUS, 0, os.fsencode(data_path), options)
        if rate != SYNTHESIS_RATE:
            raise RuntimeError(f"eSpeak NG did not start from {data_path} (returned {rate})")
        library.espeak_ng_SetRandSeed(ctypes.c_long(_NOISE_SEED))
        yield library
    finally:
        library.espeak_Terminate()
        dlclose(library._handle)
    if _is_resident(library_path):
        raise RuntimeError(
            f"{library_path} cannot be unloaded here (another user of it, or a C library without "
            "unloading), so its speech would depend on what was spoken before"
        )


def _is_resident(library_path: str) -> bool:
    try:
        library = ctypes.CDLL(library_path, mode=os.RTLD_NOLOAD)
    except OSError:
        return False
    dlclose(library._handle)
    return True
