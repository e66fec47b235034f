"""This package's Harvest against pyworld's."""

import numpy as np
import pytest
import pyworld
from scipy.signal import firwin, lfilter

from benchmark.extractors.f0.extractors import Harvest
from benchmark.extractors.f0.world.harvest import harvest
from tests.extractors.pitch_signals import RATE, SIXTEEN_BITS, Signals, assert_same_track

SIGNALS = Signals(9600)
NAMED = SIGNALS.named() | {"a voice that dies away": SIGNALS.fading(40)}


def same_as_pyworld(
    samples: np.ndarray, floor: float = 40.0, ceiling: float = 800.0, period: float = 5.0, rtol: float = 1e-9
) -> np.ndarray:
    """Return F0, after checking that pyworld's is equal."""
    limits = {"f0_floor": floor, "f0_ceil": ceiling, "frame_period": period}
    return assert_same_track(
        samples,
        lambda wav: harvest(wav, floor, ceiling, period),
        lambda wav: pyworld.harvest(wav, RATE, **limits)[0],
        rtol,
    )


def test_on_real_speech_it_is_that_of_pyworld(clips: dict[str, np.ndarray]) -> None:
    for clip in clips.values():
        assert same_as_pyworld(clip[:24_000]).any()


def test_on_coded_and_synthetic_speech_in_16_bits_it_is_that_of_pyworld(
    coded: list[tuple[np.ndarray, np.ndarray]],
) -> None:
    for _, wav in coded[1:]:
        decoded = wav[:24_000]
        same_as_pyworld(
            lfilter(firwin(255, 70 / 8000, pass_zero=False), 1, decoded * np.float64(SIXTEEN_BITS))
        )


@pytest.mark.parametrize(
    ("floor", "ceiling", "period"),
    [(71.0, 800.0, 5.0), (60.0, 500.0, 10.0), (20.0, 1200.0, 1.0), (90, 300, 7.5)],
)
def test_for_any_range_and_frame_period_it_is_that_of_pyworld(
    speech: np.ndarray, floor: float, ceiling: float, period: float
) -> None:
    found = same_as_pyworld(speech[:24_000], floor, ceiling, period)
    assert len(found) == int(1500 / period) + 1 and found.max() <= ceiling


@pytest.mark.parametrize("name", NAMED)
def test_on_synthetic_signals_it_is_that_of_pyworld(name: str) -> None:
    for scale in (1, SIXTEEN_BITS):
        same_as_pyworld(NAMED[name] * scale)


def test_a_choice_on_the_last_bit_moves_f0_by_a_millionth() -> None:
    assert same_as_pyworld(SIGNALS.clicks(*range(0, SIGNALS.length, 160)), rtol=1e-5).all()


def test_digital_silence_between_words_holds_no_voice(speech: np.ndarray) -> None:
    word, silence = speech[:8000], np.zeros(8000)
    samples = np.concatenate((silence, word, silence, silence, speech[8000:16_000], silence))
    for scale in (1, SIXTEEN_BITS):
        found = same_as_pyworld(samples * scale)
        assert found.any() and not found[2 * 8000 // 80 + 30 : 4 * 8000 // 80 - 30].any()


@pytest.mark.parametrize("length", [1, 2, 3, 15, 16, 79, 80, 81, 400, 799, 1600, 4001, 8191])
def test_on_short_clips_it_is_that_of_pyworld(speech: np.ndarray, length: int) -> None:
    for begin in (0, 20_000):
        same_as_pyworld(speech[begin : begin + length])


def test_the_extractor_gives_it_in_float32_columns(speech: np.ndarray) -> None:
    tracker = Harvest(floor=40.0, ceiling=800.0, frame_period=5.0)
    np.testing.assert_array_equal(
        tracker.extract(speech)[:, 0], harvest(speech.astype(np.float64), 40.0, 800.0, 5.0)
    )
