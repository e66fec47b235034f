import numpy as np
import pytest
import torch
from torchmetrics.functional.audio import scale_invariant_signal_distortion_ratio

from benchmark.metrics.base import DecodeFailure, MetricUndefined
from benchmark.metrics.signal_pair import Pair
from benchmark.metrics.waveform import Delay, SiSdr

SDR = SiSdr()


@pytest.mark.parametrize("zero_mean", [False, True])
def test_si_sdr_is_that_of_torchmetrics(coded: list[tuple[np.ndarray, np.ndarray]], zero_mean: bool) -> None:
    for wav, decoded in coded:
        pair = Pair("a", wav, decoded + np.float32(0.01))
        reference, other = (torch.from_numpy(part.astype(np.float64)) for part in pair.aligned("delay"))
        expected = float(scale_invariant_signal_distortion_ratio(other, reference, zero_mean=zero_mean))
        assert SiSdr(zero_mean=zero_mean).score(pair) == pytest.approx(expected, abs=1e-6)


def test_si_sdr_of_known_noise(speech: np.ndarray, noise: np.ndarray) -> None:
    # Noise without anything of the speech in it, 10 dB below.
    rest = noise - (noise @ speech) / (speech @ speech) * speech
    rest *= np.linalg.norm(speech) / np.linalg.norm(rest) / np.sqrt(10)
    for gain in (1.0, 0.2, -3.0):
        assert SDR.score(Pair("a", speech, gain * (speech + rest))) == pytest.approx(10, abs=0.05)


def test_si_sdr_of_a_copy_is_no_number(speech: np.ndarray) -> None:
    for decoded in (speech, 0.5 * speech):
        with pytest.raises(MetricUndefined, match="copy"):
            SDR.score(Pair("a", speech, decoded))


def test_si_sdr_of_nothing_is_no_number(speech: np.ndarray) -> None:
    half = len(speech) // 2
    first, second = np.zeros_like(speech), np.zeros_like(speech)
    first[:half], second[half:] = speech[:half], speech[half:]
    with pytest.raises(MetricUndefined, match="nothing of the original"):
        SiSdr(alignment="cut").score(Pair("a", first, second))


def test_delay_is_that_of_the_pair(speech: np.ndarray) -> None:
    assert Delay().score(Pair("a", speech, np.pad(speech, (104, 0)))) == 104
    assert Delay().score(Pair("a", speech, speech[8:])) == -8
    with pytest.raises(DecodeFailure, match="silence"):
        Delay().score(Pair("a", speech, np.zeros_like(speech)))
