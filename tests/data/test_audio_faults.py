"""Broken recordings, found without decoding them."""

import math
from collections.abc import Callable
from pathlib import Path

import pytest
import soundfile

from benchmark.data.audio_faults import CHUNK, Examined, examine, examine_all


@pytest.mark.parametrize("suffix", [".flac", ".wav"])
def test_a_sound_recording(write_tone: Callable[..., Path], tmp_path: Path, suffix: str) -> None:
    assert examine(write_tone(tmp_path / f"a{suffix}", 1.25)) == Examined(1.25, None)


@pytest.mark.parametrize("lost", [1, 100, 5000])
def test_a_flac_without_its_end_has_a_sound_header(
    write_tone: Callable[..., Path], tmp_path: Path, lost: int
) -> None:
    path = write_tone(tmp_path / "a.flac", 3.0)
    path.write_bytes(path.read_bytes()[:-lost])
    assert soundfile.info(path).duration == 3.0
    assert examine(path) == Examined(3.0, "truncated audio")


def test_no_audio(write_tone: Callable[..., Path], tmp_path: Path) -> None:
    (tmp_path / "empty.flac").touch()
    (tmp_path / "text.flac").write_text("<html>")
    faults = {name: examine(tmp_path / f"{name}.flac") for name in ("empty", "text", "gone")}
    assert all(math.isnan(one.duration) for one in faults.values())
    assert {name: one.fault for name, one in faults.items()} == {
        "empty": "empty audio file",
        "text": "damaged audio",
        "gone": "missing audio",
    }
    wav = write_tone(tmp_path / "a.wav", 3.0)
    wav.write_bytes(wav.read_bytes()[:50_000])
    assert examine(wav).fault == "damaged audio"  # its header promises more


def test_processes_keep_the_order(write_tone: Callable[..., Path], tmp_path: Path) -> None:
    sound, gone = write_tone(tmp_path / "a.flac"), tmp_path / "gone.flac"
    paths = [gone if index % 7 == 0 else sound for index in range(2 * CHUNK + 5)]
    faults = [one.fault for one in examine_all(paths, workers=2)]
    assert faults == ["missing audio" if index % 7 == 0 else None for index in range(len(paths))]
