import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest

from benchmark.data.corpora.synthetic import SPEAKERS
from benchmark.data.synthesis.espeak import SYNTHESIS_RATE, synthesize
from benchmark.errors import UserError

TEXT = "please turn off the lights in the kitchen"


def test_a_sentence_is_some_seconds_of_sound() -> None:
    samples = synthesize(TEXT, "en-us", "m4", rate=150)
    assert samples.dtype == np.int16
    assert 1.5 < len(samples) / SYNTHESIS_RATE < 4.0
    assert 3_000 < np.abs(samples.astype(int)).max() < 32_768


@pytest.mark.parametrize("speaker", [s for group in SPEAKERS.values() for s in group], ids=lambda s: s.name)
def test_speech_does_not_depend_on_what_was_spoken_before(speaker) -> None:
    arguments = (speaker.accent, speaker.variant, speaker.rate, speaker.pitch)
    first = synthesize(TEXT, *arguments)
    np.testing.assert_array_equal(synthesize(TEXT, *arguments), first)
    synthesize("ein ganz anderer satz", "de", "f2", 190, 80)
    np.testing.assert_array_equal(synthesize(TEXT, *arguments), first)


def test_speech_is_the_same_in_another_process() -> None:
    code = (
        "from hashlib import sha256; from benchmark.data.synthesis.espeak import synthesize;"
        "synthesize('something else first', 'fr', 'm3', 120, 20);"
        f"print(sha256(synthesize({TEXT!r}, 'en-us', 'f2').tobytes()).hexdigest())"
    )
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == sha256(synthesize(TEXT, "en-us", "f2").tobytes()).hexdigest()


def test_arguments_reach_the_synthesizer() -> None:
    base = synthesize(TEXT, "en-us", "m4", rate=150, pitch=50)
    assert len(synthesize(TEXT, "en-us", "m4", rate=250)) < 0.75 * len(base)
    others = [
        synthesize(TEXT, "en-us", "m4", rate=150, pitch=90),
        synthesize(TEXT, "en-us", "m4", rate=150, pitch_range=0),
        synthesize(TEXT, "en-us", "f2", rate=150),
        synthesize(TEXT, "en-gb-x-rp", "m4", rate=150),
        synthesize(TEXT, "en-us", rate=150),
    ]
    assert len({sha256(samples.tobytes()).digest() for samples in (base, *others)}) == 6


def test_letters_beyond_ascii_are_spoken() -> None:
    assert len(synthesize("schöne grüße", "de")) != len(synthesize("schne gre", "de"))


def test_unknown_voices_and_variants_are_refused() -> None:
    with pytest.raises(ValueError, match="no voice 'en-gb'"):
        synthesize(TEXT, "en-gb")
    with pytest.raises(ValueError, match="no variant 'm99'"):
        synthesize(TEXT, "en-us", "m99")
    with pytest.raises(ValueError, match="Klatt"):
        synthesize(TEXT, "en-us", "klatt2")


def test_without_the_wheel_the_user_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "espeakng_loader", None)
    with pytest.raises(UserError, match=r"pip install -e \.\[mini\]"):
        synthesize(TEXT, "en-us")
