from collections.abc import Callable

import librosa
import numpy as np
import pytest
import torch

from benchmark.errors import UserError
from benchmark.metrics.base import Metric
from benchmark.metrics.signal_pair import Pair
from benchmark.metrics.spectral import MultiResolutionStft, MultiScaleDistance


def test_multi_resolution_distance_is_that_of_auraloss(coded: list[tuple[np.ndarray, np.ndarray]]) -> None:
    auraloss = pytest.importorskip("auraloss")
    reference_loss = auraloss.freq.MultiResolutionSTFTLoss()
    for wav, decoded in coded:
        pair = Pair("a", wav, decoded)
        original, moved = (torch.from_numpy(part.copy())[None, None] for part in pair.aligned("delay"))
        expected = float(reference_loss(moved, original))
        assert MultiResolutionStft().score(pair) == pytest.approx(expected, abs=1e-5)


def test_multi_resolution_distance_looks_at_the_original_first(speech: np.ndarray) -> None:
    metric = MultiResolutionStft()
    assert metric.score(Pair("a", speech, speech)) == 0.0
    # At twice the amplitude the difference equals the original; in logarithms it is log 2.
    louder = metric.score(Pair("a", speech, 2 * speech))
    assert louder == pytest.approx(1 + np.log(2), rel=0.03)
    assert metric.score(Pair("a", 2 * speech, speech)) == pytest.approx(0.5 + np.log(2), rel=0.03)


def audiotools_distance(first: np.ndarray, second: np.ndarray, mels: tuple[int, ...]) -> float:
    """Compute the distance in torch, as defined by the losses of descript-audiotools."""
    total = 0.0
    for number, window in enumerate((2048, 512)):
        spectra = [
            torch.stft(
                torch.from_numpy(wav.copy()),
                window,
                window // 4,
                window=torch.hann_window(window),
                return_complex=True,
            ).abs()
            for wav in (first, second)
        ]
        if mels:
            bank = torch.from_numpy(librosa.filters.mel(sr=16_000, n_fft=window, n_mels=mels[number]))
            spectra = [bank @ spectrum for spectrum in spectra]
        logs = [spectrum.clamp(1e-5).pow(2).log10() for spectrum in spectra]
        total += float((logs[0] - logs[1]).abs().mean() + (spectra[0] - spectra[1]).abs().mean())
    return total


@pytest.mark.parametrize(("name", "mels"), [("codec_superb_mel", (150, 80)), ("codec_superb_stft", ())])
def test_multi_scale_distances_are_those_of_audiotools(
    metric: Callable[[str], Metric],
    coded: list[tuple[np.ndarray, np.ndarray]],
    name: str,
    mels: tuple[int, ...],
) -> None:
    for wav, decoded in coded:
        expected = audiotools_distance(wav, decoded, mels)
        assert metric(name).score(Pair("a", wav, decoded)) == pytest.approx(expected, abs=2e-5)
        shorter = np.pad(decoded[:-700], (0, 700))
        expected = audiotools_distance(wav, shorter, mels)
        assert metric(name).score(Pair("a", wav, decoded[:-700])) == pytest.approx(expected, abs=2e-5)


def test_lists_of_unequal_length_are_refused() -> None:
    with pytest.raises(UserError, match="same number of values, not 1, 3 and 3"):
        MultiResolutionStft(n_fft=(512,))
    with pytest.raises(UserError, match="as long as windows"):
        MultiScaleDistance(n_mels=(80,))
