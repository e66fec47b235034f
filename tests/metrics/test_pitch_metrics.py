import numpy as np
import pytest
import pyworld

from benchmark.metrics.pitch import (
    f0_track,
    gross_pitch_error,
    pitch_correlation,
    voicing_decision_error,
)


def sawtooth(f0: float, seconds: float = 1.0) -> np.ndarray:
    return (0.3 * (np.arange(int(16_000 * seconds)) * f0 / 16_000 % 1.0 - 0.5)).astype(np.float32)


@pytest.mark.parametrize("f0", [80.0, 150.0, 320.0])
def test_track_of_a_known_pitch(f0: float) -> None:
    track = f0_track(sawtooth(f0))
    assert track.shape == (101,)
    assert np.median(track[10:-10]) == pytest.approx(f0, rel=0.01)


def test_pitch_outside_the_range_is_not_reported() -> None:
    low = f0_track(sawtooth(45.0))
    assert not f0_track(np.sin(2 * np.pi * 600 * np.arange(16_000) / 16_000)).any()
    assert not np.any((low > 0) & (low < 55))


def test_track_is_dio_with_stonemask(speech: np.ndarray) -> None:
    samples = speech.astype(np.float64)
    f0, times = pyworld.dio(samples, 16_000, f0_floor=60.0, f0_ceil=500.0, frame_period=10.0)
    np.testing.assert_array_equal(f0_track(speech), pyworld.stonemask(samples, f0, times, 16_000))
    assert 0.2 < (f0_track(speech) > 0).mean() < 0.9


def test_silence_and_short_clips_are_unvoiced() -> None:
    assert not f0_track(np.zeros(16_000, np.float32)).any()
    assert not f0_track(np.zeros(1600, np.float32)).any()
    assert f0_track(np.zeros(0, np.float32)).shape == (1,)
    with pytest.raises(ValueError, match="NaN"):
        f0_track(np.full(16_000, np.nan, np.float32))


REFERENCE = np.array([100.0, 100.0, 200.0, 200.0, 0.0, 0.0])


def test_gross_error_counts_frames_voiced_in_both() -> None:
    # 19 % is right, 21 % up and 25 % down are wrong, the others are voiced in one or none.
    assert gross_pitch_error(REFERENCE, np.array([119.0, 121.0, 150.0, 0.0, 90.0, 0.0])) == pytest.approx(
        200 / 3
    )
    assert gross_pitch_error(REFERENCE, REFERENCE) == 0.0


def test_gross_error_is_relative_to_the_reference() -> None:
    # 100 → 124 is off by 24 % of 100 but by 19 % of 124.
    assert gross_pitch_error(np.array([100.0]), np.array([124.0])) == 100.0
    assert gross_pitch_error(np.array([124.0]), np.array([100.0])) == 0.0


def test_voicing_error_counts_all_frames() -> None:
    assert voicing_decision_error(REFERENCE, np.array([100.0, 0, 50, 1, 70, 0])) == pytest.approx(100 * 2 / 6)
    assert voicing_decision_error(REFERENCE, 3 * REFERENCE) == 0.0


def test_tracks_are_cut_to_the_shorter() -> None:
    assert gross_pitch_error(REFERENCE, np.array([100.0, 100.0])) == 0.0
    assert voicing_decision_error(REFERENCE[:2], np.append(REFERENCE, 50.0)) == 0.0


def test_nothing_voiced_in_both_is_undefined() -> None:
    silent = np.zeros(6)
    assert np.isnan(gross_pitch_error(REFERENCE, silent))
    assert np.isnan(pitch_correlation(REFERENCE, silent))
    assert voicing_decision_error(REFERENCE, silent) == pytest.approx(100 * 4 / 6)
    assert np.isnan(voicing_decision_error(np.zeros(0), silent))


def test_correlation_on_frames_voiced_in_both() -> None:
    rising = np.linspace(100, 200, 20)
    assert pitch_correlation(rising, 2 * rising + 5) == pytest.approx(1.0)
    assert pitch_correlation(rising, 400 - rising) == pytest.approx(-1.0)
    # Unvoiced frames, counted as 0 Hz, would turn this around.
    gaps = 400 - rising
    gaps[:5] = 0
    assert pitch_correlation(np.where(np.arange(20) < 5, 0, rising), gaps) == pytest.approx(-1.0)
    other = np.random.default_rng(0).uniform(100, 200, 20)
    assert pitch_correlation(rising, other) == pytest.approx(np.corrcoef(rising, other)[0, 1])


def test_correlation_needs_ten_frames_and_variance() -> None:
    rising = np.linspace(100, 200, 10)
    assert pitch_correlation(rising, rising) == pytest.approx(1.0)
    assert np.isnan(pitch_correlation(rising[:9], rising[:9]))
    assert np.isnan(pitch_correlation(rising, np.full(10, 120.0)))


def test_octave_up_is_a_gross_error(speech: np.ndarray) -> None:
    track = f0_track(speech)
    assert gross_pitch_error(track, 2 * track) == 100.0
    assert gross_pitch_error(track, 1.1 * track) == 0.0
