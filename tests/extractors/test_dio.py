"""This package's DIO against pyworld's, with and without StoneMask."""

import numpy as np
import pytest
import pyworld
from scipy.signal import firwin, lfilter

from benchmark.extractors.f0.extractors import Dio
from benchmark.extractors.f0.world.dio import dio
from tests.extractors.pitch_signals import RATE, SIXTEEN_BITS, Signals, assert_same_track

NAMED = Signals(16_000).named()


def same_as_pyworld(
    samples: np.ndarray, floor: float = 60.0, ceiling: float = 500.0, period: float = 10.0, rtol: float = 1e-8
) -> np.ndarray:
    """Return F0, after checking that pyworld's is equal, also after refinement."""
    limits = {"f0_floor": floor, "f0_ceil": ceiling, "frame_period": period}
    assert_same_track(
        samples,
        Dio(floor=floor, ceiling=ceiling, frame_period=period).track,
        lambda wav: pyworld.stonemask(wav, *pyworld.dio(wav, RATE, **limits), RATE),
        rtol,
    )
    return assert_same_track(
        samples,
        lambda wav: dio(wav, floor, ceiling, period),
        lambda wav: pyworld.dio(wav, RATE, **limits)[0],
        rtol,
    )


def test_on_real_speech_it_is_that_of_pyworld(clips: dict[str, np.ndarray]) -> None:
    for clip in clips.values():
        for scale in (1, SIXTEEN_BITS):
            assert same_as_pyworld(clip * np.float64(scale)).any()


def test_on_coded_and_synthetic_speech_it_is_that_of_pyworld(
    coded: list[tuple[np.ndarray, np.ndarray]],
) -> None:
    for pair in coded:
        for wav in pair:
            same_as_pyworld(wav)
            loud = wav * np.float64(SIXTEEN_BITS)
            same_as_pyworld(lfilter(firwin(255, 70 / 8000, pass_zero=False), 1, loud), period=5.0)


def test_on_clipped_and_noisy_speech_it_is_that_of_pyworld(speech: np.ndarray, noise: np.ndarray) -> None:
    for level in (0.001, 0.01, 0.1):
        same_as_pyworld(np.clip(speech, -level, level))
        same_as_pyworld(speech + level * noise[: len(speech)])
        same_as_pyworld(np.round(speech * 10 / level) * level / 10)


@pytest.mark.parametrize(
    ("floor", "ceiling", "period"),
    [(71.0, 800.0, 5.0), (60.0, 500.0, 7.51), (20.0, 1200.0, 1.0), (90, 300, 7.5), (100, 110, 40.0)],
)
def test_for_any_range_and_frame_period_it_is_that_of_pyworld(
    speech: np.ndarray, floor: float, ceiling: float, period: float
) -> None:
    found = same_as_pyworld(speech, floor, ceiling, period)
    assert len(found) == int(1000 * len(speech) / RATE / period) + 1 and found.max() <= ceiling


@pytest.mark.parametrize("name", NAMED)
def test_on_synthetic_signals_it_is_that_of_pyworld(name: str) -> None:
    for scale in (1, SIXTEEN_BITS):
        same_as_pyworld(NAMED[name] * scale)


def test_digital_silence_between_words_holds_no_voice(speech: np.ndarray) -> None:
    word, silence = speech[:8000], np.zeros(8000)
    samples = np.concatenate((silence, word, silence, silence, speech[8000:16_000], silence))
    for scale in (1, SIXTEEN_BITS):
        found = same_as_pyworld(samples * scale)
        assert found.any() and not found[2 * 8000 // 160 + 15 : 4 * 8000 // 160 - 15].any()


@pytest.mark.parametrize("length", [1, 2, 3, 15, 16, 79, 80, 81, 400, 799, 1600, 4001, 7175, 7176, 8192])
def test_on_short_clips_it_is_that_of_pyworld(speech: np.ndarray, length: int) -> None:
    for begin in (0, 20_000):
        same_as_pyworld(speech[begin : begin + length])


def test_the_extractor_gives_it_refined_in_float32_columns(speech: np.ndarray) -> None:
    samples = speech.astype(np.float64)
    f0, times = pyworld.dio(samples, RATE, f0_floor=60.0, f0_ceil=500.0, frame_period=10.0)
    [value] = Dio().load("cpu")([speech])
    assert isinstance(value, np.ndarray) and value.dtype == np.float32
    refined = pyworld.stonemask(samples, f0, times, RATE)
    np.testing.assert_allclose(value, refined[:, None], rtol=1e-7)
