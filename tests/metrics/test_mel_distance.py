import librosa
import numpy as np
import pytest
import torch

from benchmark.data.mel import LogMel
from benchmark.metrics.base import DecodeFailure, MetricUndefined
from benchmark.metrics.framing import magnitudes, mel_filterbank
from benchmark.metrics.signal_pair import Pair
from benchmark.metrics.spectral import MelDistance

MEL = MelDistance()


def distance(reference: np.ndarray, decoded: np.ndarray) -> float:
    return float(MEL.score(Pair("a", reference, decoded)))


@pytest.mark.parametrize("length", [300, 512, 600, 45_000])
def test_log_mel_is_the_one_that_tokenizers_and_vocoders_share(speech: np.ndarray, length: int) -> None:
    wav = speech[-length:]
    module = LogMel(1024, 256, 1024, 80, 0.0, 8000.0, 1e-5, center=True, log="ln")
    expected = module(torch.from_numpy(wav.copy())[None])[0].T.exp().numpy()
    amplitude = magnitudes(wav, 1024, 256, 1024) @ mel_filterbank(1024, 80, 0.0, 8000.0)
    assert amplitude.dtype == np.float32
    # Float32 leaves an error in proportion to the largest bin of a frame.
    np.testing.assert_allclose(np.maximum(amplitude, 1e-5), expected, rtol=1e-5, atol=1e-7)


def test_filterbank_is_slaneys() -> None:
    for n_fft, n_mels, f_min, f_max in ((1024, 80, 0, 8000), (2048, 150, 0, 8000), (512, 40, 80, 7600)):
        expected = librosa.filters.mel(sr=16_000, n_fft=n_fft, n_mels=n_mels, fmin=f_min, fmax=f_max).T
        np.testing.assert_allclose(mel_filterbank(n_fft, n_mels, f_min, f_max), expected, atol=1e-7)


def test_distance_is_that_of_log_mel(coded: list[tuple[np.ndarray, np.ndarray]]) -> None:
    for wav, decoded in coded:
        pair = Pair("a", wav, decoded)
        both = torch.from_numpy(np.stack(pair.aligned("delay")))
        first, second = LogMel()(both)
        assert MEL.score(pair) == pytest.approx(float((first - second).abs().mean()), abs=1e-6)


def test_gain_shifts_every_band_by_its_logarithm(noise: np.ndarray) -> None:
    assert distance(noise, 2 * noise) == pytest.approx(np.log(2), abs=1e-4)


def test_is_zero_for_equals_symmetric_and_grows(speech: np.ndarray, noise: np.ndarray) -> None:
    decoded = speech + 0.02 * noise
    assert distance(speech, speech) == 0.0
    assert distance(speech, decoded) == pytest.approx(distance(decoded, speech))
    scores = [distance(speech, speech + level * noise) for level in (0.001, 0.005, 0.03)]
    assert scores == sorted(scores)


def test_silence_and_a_tiny_clip_have_none(speech: np.ndarray) -> None:
    silence = np.zeros_like(speech)
    for pair in ((silence, silence), (silence, speech)):
        with pytest.raises(MetricUndefined, match="silence"):
            distance(*pair)
    with pytest.raises(DecodeFailure, match="silence"):
        distance(speech, silence)
    with pytest.raises(MetricUndefined, match="256"):
        distance(speech[:255], speech[:255])
    assert distance(speech[:400], speech[:400]) == 0.0


def test_damaged_samples_raise(speech: np.ndarray) -> None:
    with pytest.raises(ValueError, match="NaN"):
        distance(speech, np.full_like(speech, np.nan))


def test_parameters_are_part_of_key_and_definition() -> None:
    other = MelDistance(n_mels=40, f_max=7600.0)
    assert other.key != MEL.key and "40 Slaney bands 0–7600 Hz" in other.definition
