import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from benchmark.data.audio import AudioError, header, headers, read_audio, resample, write_audio
from benchmark.types import SAMPLE_RATE


def test_stereo_at_44100_becomes_the_mean_at_16000(tmp_path: Path) -> None:
    time = np.arange(44_100) / 44_100
    left, right = 0.4 * np.sin(2 * np.pi * 300 * time), 0.2 * np.sin(2 * np.pi * 300 * time)
    soundfile.write(str(tmp_path / "a.wav"), np.stack([left, right], axis=1), 44_100, subtype="FLOAT")
    wav = read_audio(tmp_path / "a.wav")
    assert wav.dtype == np.float32
    assert wav.shape == (16_000,)
    expected = 0.3 * np.sin(2 * np.pi * 300 * np.arange(16_000) / 16_000)
    assert np.abs(wav - expected)[200:-200].max() < 1e-3


def test_other_rates_keep_what_lies_below_the_new_limit_only(tmp_path: Path) -> None:
    time = np.arange(48_000) / 48_000
    soundfile.write(str(tmp_path / "a.wav"), 0.5 * np.sin(2 * np.pi * 12_000 * time), 48_000, subtype="FLOAT")
    assert np.abs(read_audio(tmp_path / "a.wav"))[200:-200].max() < 1e-3


@pytest.mark.parametrize("source_rate", [8_000, 22_050, 24_000, 44_100, 48_000])
@pytest.mark.parametrize("seconds", [0.1, 0.7317])
def test_resampled_length_is_the_rounded_ratio(source_rate: int, seconds: float) -> None:
    samples = round(seconds * source_rate)
    wav = np.random.default_rng(0).standard_normal((3, samples)).astype(np.float32)
    out = resample(wav, source_rate, SAMPLE_RATE)
    assert out.dtype == np.float32
    assert out.shape[0] == 3
    assert abs(out.shape[1] - samples * SAMPLE_RATE / source_rate) <= 1
    np.testing.assert_array_equal(out[1], resample(wav[1], source_rate, SAMPLE_RATE))


def test_a_clip_under_a_tenth_of_a_second_is_refused(tmp_path: Path, write_tone: Callable[..., Path]) -> None:
    assert read_audio(write_tone(tmp_path / "long.wav", 0.1)).shape == (1600,)
    with pytest.raises(AudioError, match=r"lasts 0\.099 s"):
        read_audio(write_tone(tmp_path / "short.wav", 0.099))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_samples_that_are_no_numbers_are_refused(tmp_path: Path, value: float) -> None:
    wav = np.zeros(8000, dtype=np.float32)
    wav[100] = value
    soundfile.write(str(tmp_path / "a.wav"), wav, SAMPLE_RATE, subtype="FLOAT")
    with pytest.raises(AudioError, match="NaN or infinite"):
        read_audio(tmp_path / "a.wav")


def test_a_missing_file_is_an_audio_error_and_a_header_of_nan(tmp_path: Path) -> None:
    with pytest.raises(AudioError, match=r"gone\.flac"):
        read_audio(tmp_path / "gone.flac")
    duration, fingerprint = header(tmp_path / "gone.flac")
    assert math.isnan(duration)
    assert fingerprint == "missing"


def noise_flac(path: Path) -> bytes:
    soundfile.write(str(path), 0.1 * np.random.default_rng(0).standard_normal(40_000), SAMPLE_RATE)
    return path.read_bytes()


@pytest.mark.parametrize("damage", ["truncated", "overwritten", "no header", "empty"])
def test_a_corrupt_flac_is_an_audio_error(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "a.flac"
    content = noise_flac(path)
    half = len(content) // 2
    damaged = {
        "truncated": content[:half],
        "overwritten": content[:half] + bytes(2000) + content[half + 2000 :],
        "no header": content[100:],
        "empty": b"",
    }[damage]
    path.write_bytes(damaged)
    with pytest.raises(AudioError, match=r"a\.flac"):
        read_audio(path)
    duration, fingerprint = header(path)
    if damage in ("no header", "empty"):
        assert math.isnan(duration)
        assert fingerprint == f"damaged:{len(damaged)}"


def test_a_flac_of_unknown_length_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.flac"
    content = bytearray(noise_flac(path))
    # STREAMINFO follows "fLaC" and a block header of 4 bytes; its sample count is 36 bits at byte 13.
    content[21] &= 0xF0
    content[22:26] = bytes(4)
    path.write_bytes(content)
    with pytest.raises(AudioError, match="does not state its length"):
        read_audio(path)
    assert math.isnan(header(path)[0])


def test_headers_agree_with_the_audio_and_keep_the_order(
    tmp_path: Path, write_tone: Callable[..., Path]
) -> None:
    paths = [write_tone(tmp_path / f"{i}.flac", 0.2 + 0.1 * i, rate) for i, rate in enumerate((8000, 44_100))]
    found = headers([*paths, tmp_path / "gone.wav"])
    for path, (duration, fingerprint) in zip(paths, found, strict=False):
        frames, rate, size = map(int, fingerprint.split(":"))
        assert size == path.stat().st_size
        assert duration == frames / rate == pytest.approx(len(read_audio(path)) / SAMPLE_RATE, abs=1e-4)
    assert found[2][1] == "missing"


@pytest.mark.parametrize("suffix", [".wav", ".flac"])
def test_what_is_written_is_read_back(tmp_path: Path, suffix: str) -> None:
    wav = np.random.default_rng(0).uniform(-1, 1, 5000).astype(np.float32)
    wav[0] = 3.0
    write_audio(tmp_path / f"a{suffix}", wav)
    assert np.abs(read_audio(tmp_path / f"a{suffix}") - np.clip(wav, -1, 1)).max() < 2**-14


@pytest.mark.parametrize("suffix", [".wav", ".aiff", ".mp3", ".ogg"])
def test_a_recording_that_is_cut_off_is_not_read_as_a_shorter_one(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    soundfile.write(str(path), 0.1 * np.random.default_rng(0).standard_normal(40_000), SAMPLE_RATE)
    assert read_audio(path).shape == (40_000,) and header(path)[0] == 2.5
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(AudioError, match=r"cut off|lasts 0\.000 s"):
        read_audio(path)
    if suffix in (".wav", ".aiff"):  # the header alone tells
        assert math.isnan(header(path)[0]) and header(path)[1] == f"damaged:{path.stat().st_size}"


@pytest.mark.parametrize("missing", [1, 40])
def test_a_few_missing_bytes_do_no_harm(tmp_path: Path, missing: int) -> None:
    path = tmp_path / "a.wav"
    write_audio(path, np.full(5000, 0.1, np.float32))
    path.write_bytes(path.read_bytes()[:-missing])
    assert len(read_audio(path)) >= 4980 and math.isfinite(header(path)[0])


@pytest.mark.parametrize("placeholder", [0x7FFFF000, 0xFFFFFFFF])
def test_a_wav_from_a_pipe_does_not_know_its_length_and_is_whole(tmp_path: Path, placeholder: int) -> None:
    path = tmp_path / "a.wav"
    write_audio(path, np.full(5000, 0.1, np.float32))
    content = bytearray(path.read_bytes())
    assert content[36:40] == b"data"
    content[40:44] = placeholder.to_bytes(4, "little")
    path.write_bytes(content)
    assert len(read_audio(path)) == 5000 and header(path)[0] == 5000 / SAMPLE_RATE


@pytest.mark.parametrize("wrong", [".flac", ".mp3", ".ogg", ".txt", ""])
def test_the_content_counts_and_not_the_extension(tmp_path: Path, wrong: str) -> None:
    write_audio(tmp_path / "a.wav", np.full(5000, 0.1, np.float32))
    path = (tmp_path / "a.wav").rename(tmp_path / f"b{wrong}")
    assert len(read_audio(path)) == 5000


def test_the_one_extension_that_hides_the_content_is_an_audio_error(tmp_path: Path) -> None:
    write_audio(tmp_path / "a.wav", np.full(5000, 0.1, np.float32))
    path = (tmp_path / "a.wav").rename(tmp_path / "a.raw")
    with pytest.raises(AudioError, match=r"a\.raw"):
        read_audio(path)
    assert header(path)[1].startswith("damaged:")


def test_a_header_that_states_more_than_memory_holds_is_an_audio_error(tmp_path: Path) -> None:
    path = tmp_path / "a.flac"
    content = bytearray(noise_flac(path))
    content[21] |= 0x0F
    content[22:26] = b"\xff\xff\xff\xfe"
    path.write_bytes(content)
    with pytest.raises(AudioError, match=r"a\.flac"):
        read_audio(path)


def test_eight_channels_at_96_khz(tmp_path: Path) -> None:
    wav = 0.3 * np.sin(2 * np.pi * 440 * np.arange(96_000) / 96_000)
    soundfile.write(str(tmp_path / "a.wav"), np.stack([wav * (n < 4) for n in range(8)], axis=1), 96_000)
    read = read_audio(tmp_path / "a.wav")
    assert read.shape == (SAMPLE_RATE,) and np.abs(read).max() == pytest.approx(0.15, rel=0.02)
