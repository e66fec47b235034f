"""This package's autocorrelation method against Praat's, and on signals of known pitch."""

import numpy as np
import pytest

from benchmark.extractors.f0.autocorrelation import autocorrelation
from benchmark.extractors.f0.extractors import Autocorrelation, Dio, Harvest

STEP = 80
"""Samples between frames, 5 ms: Praat's frames then lie on ours for clips of a multiple of it."""


@pytest.mark.parametrize(("floor", "ceiling"), [(60.0, 500.0), (75.0, 600.0)])
def test_on_real_speech_it_is_that_of_praat(
    clips: dict[str, np.ndarray], floor: float, ceiling: float
) -> None:
    parselmouth = pytest.importorskip("parselmouth")
    frames = voicing = 0
    apart = []
    for clip in clips.values():
        samples = clip[: len(clip) // STEP * STEP].astype(np.float64)
        ours = autocorrelation(samples, floor, ceiling, 5.0)
        sound = parselmouth.Sound(samples, 16_000)
        praat = sound.to_pitch_ac(time_step=0.005, pitch_floor=floor, pitch_ceiling=ceiling)
        first = praat.t1 / 0.005
        theirs = praat.selected_array["frequency"]
        assert first == pytest.approx(round(first), abs=1e-3)
        ours = ours[round(first) : round(first) + len(theirs)]
        both = (ours > 0) & (theirs > 0)
        frames += len(theirs)
        voicing += int(((ours > 0) != (theirs > 0)).sum())
        apart.append(np.abs(ours[both] / theirs[both] - 1))
    assert voicing / frames < 0.01  # 0.3 % on ten recordings of LibriSpeech
    assert np.median(np.concatenate(apart)) < 1e-4
    assert np.mean(np.concatenate(apart) > 0.01) < 0.02


def test_a_harmonic_tone_has_its_pitch_within_a_thousandth() -> None:
    time = np.arange(16_000) / 16_000
    for f0 in (62.0, 110.3, 247.7, 480.0):
        tone = sum(np.cos(2 * np.pi * f0 * k * time) / k for k in range(1, 9))
        found = autocorrelation(np.asarray(tone), 60.0, 500.0, 10.0)
        assert len(found) == 101
        np.testing.assert_allclose(found[5:-5], f0, rtol=1e-3)


def test_noise_and_pauses_are_unvoiced(noise: np.ndarray) -> None:
    assert (autocorrelation(noise[:16_000].astype(np.float64), 60.0, 500.0, 10.0) > 0).mean() < 0.05
    tone = np.sin(2 * np.pi * 150 * np.arange(32_000) / 16_000)
    quiet = np.where(np.arange(32_000) < 16_000, 1.0, 0.001) * tone  # 60 dB down
    found = autocorrelation(quiet, 60.0, 500.0, 10.0)
    assert (found[5:95] > 0).all() and not found[110:].any()


def test_a_name_says_whose_code_it_is() -> None:
    assert "own implementation" in Autocorrelation.name
    assert "own implementation" in Dio.name and "equal to pyworld" in Dio.name
    assert "own implementation" in Harvest.name and "equal to pyworld" in Harvest.name
