import librosa
import numpy as np
import pytest

from benchmark.metrics.spectral import mel_distance


def test_matches_librosa(speech: np.ndarray, noise: np.ndarray) -> None:
    def log_mel(wav: np.ndarray) -> np.ndarray:
        magnitude = np.abs(librosa.stft(wav, n_fft=1024, hop_length=256, pad_mode="reflect"))
        bands = librosa.filters.mel(sr=16_000, n_fft=1024, n_mels=80, fmin=0, fmax=8000)
        return np.log(np.maximum(bands @ magnitude, 1e-5))

    degraded = speech + 0.02 * noise
    expected = np.abs(log_mel(speech) - log_mel(degraded)).mean()
    assert mel_distance(speech, degraded) == pytest.approx(expected, rel=1e-4)


def test_gain_shifts_every_band_by_its_logarithm(noise: np.ndarray) -> None:
    assert mel_distance(noise, 2 * noise) == pytest.approx(np.log(2), abs=1e-4)


def test_is_zero_for_equals_symmetric_and_grows(speech: np.ndarray, noise: np.ndarray) -> None:
    degraded = speech + 0.02 * noise
    assert mel_distance(speech, speech) == 0.0
    assert mel_distance(speech, degraded) == pytest.approx(mel_distance(degraded, speech))
    scores = [mel_distance(speech, speech + level * noise) for level in (0.001, 0.005, 0.03)]
    assert scores == sorted(scores)


def test_silence_has_a_distance_and_a_tiny_clip_none(speech: np.ndarray) -> None:
    silence = np.zeros_like(speech)
    assert mel_distance(silence, silence) == 0.0
    assert mel_distance(speech, silence) > 1
    assert np.isnan(mel_distance(speech[:255], speech[:255]))
    assert mel_distance(speech[:400], speech[:400]) == 0.0


def test_misuse_raises(speech: np.ndarray) -> None:
    with pytest.raises(ValueError, match="length"):
        mel_distance(speech, speech[:-1])
    with pytest.raises(ValueError, match="NaN"):
        mel_distance(speech, np.full_like(speech, np.nan))
