"""eSpeak NG through ctypes: text to 16-bit samples that depend on nothing but the arguments.

The library keeps state from one utterance to the next (oscillator phase, flutter, noise
generators) and seeds its noise from the clock; `espeak_Terminate` resets little of it. Every call
here therefore loads the library, seeds it, speaks and unloads it (loading costs about 1 ms, speaking
about 10), so that an utterance does not depend on what was spoken before it.
"""

import ctypes
import os
import threading
from _ctypes import dlclose
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from benchmark.errors import UserError

SYNTHESIS_RATE = 22_050
"""Sampling rate of every voice, Hz."""

# Constants of espeak-ng/speak_lib.h.
_AUDIO_OUTPUT_SYNCHRONOUS = 2
_INITIALIZE_DONT_EXIT = 0x8000
_CHARS_UTF8 = 1
_RATE, _PITCH, _RANGE = 1, 3, 4

_NOISE_SEED = 1
_CALLBACK = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)
_lock = threading.Lock()


def synthesize(
    text: str, voice: str, variant: str | None = None, rate: int = 160, pitch: int = 50, pitch_range: int = 50
) -> np.ndarray:
    """Speak `text`; the same arguments give the same samples in any process, thread and order.

    Args:
        text: Plain text.
        voice: Language or accent, such as "en-us", "en-gb-x-rp" or "de".
        variant: Timbre, a file of the library's `voices/!v` such as "m3" or "f2". Those that
            declare a Klatt synthesizer are refused: they draw noise from libc's process-wide `rand`.
        rate: Words per minute, 80 to 450.
        pitch: Base pitch, 0 to 99; 50 is the variant's own.
        pitch_range: Depth of intonation, 0 (monotone) to 99; 50 is the variant's own.

    Returns:
        int16 (T,) at `SYNTHESIS_RATE`.

    Raises:
        UserError: eSpeak NG is not installed.
        ValueError: it has no such voice or variant, or the variant is a Klatt one.
    """
    library_path, data_path = require_espeak()
    _check_variant(variant, data_path)
    blocks: list[bytes] = []

    @_CALLBACK
    def collect(samples: "ctypes._Pointer[ctypes.c_short]", count: int, _: object) -> int:
        if samples and count > 0:
            blocks.append(ctypes.string_at(samples, 2 * count))
        return 0

    with _lock, _loaded(library_path, data_path) as library:
        library.espeak_SetSynthCallback(collect)
        name = f"{voice}+{variant}" if variant else voice
        if library.espeak_SetVoiceByName(name.encode()) != 0:
            raise ValueError(f"eSpeak NG has no voice {voice!r}")
        for parameter, value in ((_RATE, rate), (_PITCH, pitch), (_RANGE, pitch_range)):
            library.espeak_SetParameter(parameter, value, 0)
        data = text.encode()
        if library.espeak_Synth(data, len(data) + 1, 0, 0, 0, _CHARS_UTF8, None, None) != 0:
            raise RuntimeError(f"eSpeak NG could not speak {text!r}")
        library.espeak_Synchronize()
    return np.frombuffer(b"".join(blocks), dtype="<i2").astype(np.int16)


def require_espeak() -> tuple[str, Path]:
    """Library file and data folder of the installed wheel.

    Raises:
        UserError: it is not installed.
    """
    try:
        import espeakng_loader
    except ImportError as error:
        raise UserError(
            "the synthetic corpus is spoken by eSpeak NG, and espeakng-loader is not installed; "
            "run: pip install -e .[mini]"
        ) from error
    return str(espeakng_loader.get_library_path()), Path(espeakng_loader.get_data_path())


def _check_variant(variant: str | None, data_path: Path) -> None:
    """The library ignores a variant that it lacks; here it is an error."""
    if variant is None:
        return
    path = data_path / "voices" / "!v" / variant
    if not path.is_file():
        raise ValueError(f"eSpeak NG has no variant {variant!r}")
    if "klatt" in path.read_text(encoding="utf-8", errors="replace"):
        raise ValueError(f"variant {variant!r} is a Klatt voice; its noise cannot be seeded")


@contextmanager
def _loaded(library_path: str, data_path: Path) -> Iterator[ctypes.CDLL]:
    """The library in its initial state, with its noise seeded."""
    library = ctypes.CDLL(library_path)
    try:
        rate = library.espeak_Initialize(
            _AUDIO_OUTPUT_SYNCHRONOUS, 0, os.fsencode(data_path), _INITIALIZE_DONT_EXIT
        )
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
