"""Our Harvest against that of pyworld."""

from collections.abc import Callable

import numpy as np
import pytest
import pyworld
from scipy.signal import firwin, lfilter

from benchmark.metrics.f0 import Harvest
from benchmark.metrics.harvest import harvest

RATE = 16_000
LENGTH = 9600
TIME = np.arange(LENGTH) / RATE
SIXTEEN_BITS = 32767


def same_as_pyworld(
    samples: np.ndarray, floor: float = 40.0, ceiling: float = 800.0, period: float = 5.0, rtol: float = 1e-9
) -> np.ndarray:
    """F0, after a look that pyworld finds the same, voicing included."""
    samples = np.ascontiguousarray(samples, dtype=np.float64)
    before = samples.copy()
    expected, _ = pyworld.harvest(samples, RATE, f0_floor=floor, f0_ceil=ceiling, frame_period=period)
    found = harvest(samples, floor, ceiling, period)
    np.testing.assert_array_equal(samples, before)
    np.testing.assert_array_equal(found > 0, expected > 0)
    np.testing.assert_allclose(found, expected, rtol=rtol, atol=0)
    return found


def voice(f0: np.ndarray | float) -> np.ndarray:
    """Twenty harmonics of an F0 in Hz at each sample."""
    phase = 2 * np.pi * np.cumsum(np.broadcast_to(f0, TIME.shape)) / RATE
    return sum(np.sin(k * phase) / k for k in range(1, 21))


def clicks(*places: int) -> np.ndarray:
    samples = np.zeros(LENGTH)
    samples[list(places)] = 1
    return samples


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


SIGNALS: dict[str, Callable[[], np.ndarray]] = {
    "a sine": lambda: np.sin(2 * np.pi * 123.4 * TIME),
    "a square": lambda: np.sign(np.sin(2 * np.pi * 123.4 * TIME)),
    "a rising sine": lambda: np.sin(2 * np.pi * (60 + 200 * TIME) * TIME),
    "vibrato": lambda: voice(150 + 30 * np.sin(2 * np.pi * 3 * TIME)),
    "two voices": lambda: voice(110.3) + voice(171.7),
    "a voice that comes and goes": lambda: voice(140.1) * (np.sin(2 * np.pi * 3 * TIME) > 0),
    "a voice that fades": lambda: voice(140.1) * np.exp(-40 * (3 * TIME % 1)),
    "a voice in noise": lambda: voice(210.7) + np.random.default_rng(0).standard_normal(LENGTH),
    "a faint voice": lambda: np.round(3 * voice(210.7)) / SIXTEEN_BITS,
    "noise": lambda: np.random.default_rng(1).standard_normal(LENGTH),
    "a click": lambda: clicks(LENGTH // 2),
    "clicks": lambda: clicks(*range(0, LENGTH, 137)),
    "a click at the beginning": lambda: clicks(0),
    "a click at the end": lambda: clicks(LENGTH - 1),
    "the highest frequency": lambda: (-1.0) ** np.arange(LENGTH),
    "half of that": lambda: np.cos(np.pi / 2 * np.arange(LENGTH)),
    "silence": lambda: np.zeros(LENGTH),
    "a constant": lambda: np.full(LENGTH, 0.3),
}


@pytest.mark.parametrize("name", SIGNALS)
def test_on_synthetic_signals_it_is_that_of_pyworld(name: str) -> None:
    for scale in (1, SIXTEEN_BITS):
        same_as_pyworld(SIGNALS[name]() * scale)


def test_a_choice_on_the_last_bit_moves_f0_by_a_millionth() -> None:
    assert same_as_pyworld(clicks(*range(0, LENGTH, 160)), rtol=1e-5).all()


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
