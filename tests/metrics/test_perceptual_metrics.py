import numpy as np
import pesq
import pystoi
import pytest

from benchmark.metrics.perceptual import pesq_wb, stoi


def test_are_the_reference_packages(speech: np.ndarray, noise: np.ndarray) -> None:
    degraded = speech + 0.02 * noise
    assert pesq_wb(speech, degraded) == pytest.approx(pesq.pesq(16_000, speech, degraded, "wb"))
    assert pesq_wb(speech, degraded) != pytest.approx(pesq.pesq(16_000, degraded, speech, "wb"), abs=1e-4)
    assert pesq_wb(speech, degraded) != pytest.approx(pesq.pesq(16_000, speech, degraded, "nb"), abs=1e-2)
    assert stoi(speech, degraded) == pytest.approx(pystoi.stoi(speech, degraded, 16_000))
    assert stoi(speech, degraded) != pytest.approx(pystoi.stoi(degraded, speech, 16_000), abs=1e-4)
    assert stoi(speech, degraded) != pytest.approx(
        pystoi.stoi(speech, degraded, 16_000, extended=True), abs=1e-2
    )


def test_identity_is_the_best_score(speech: np.ndarray) -> None:
    assert pesq_wb(speech, speech) == pytest.approx(4.644, abs=0.001)
    assert stoi(speech, speech) == pytest.approx(1.0)


def test_more_noise_scores_lower(speech: np.ndarray, noise: np.ndarray) -> None:
    levels = (0.001, 0.005, 0.03)
    for metric in (pesq_wb, stoi):
        scores = [metric(speech, speech + level * noise) for level in levels]
        assert scores == sorted(scores, reverse=True)
        assert scores[0] - scores[-1] > 0.1


@pytest.mark.parametrize("metric", [pesq_wb, stoi])
def test_silence_on_either_side_is_undefined(metric, speech: np.ndarray) -> None:
    silence = np.zeros_like(speech)
    assert np.isnan(metric(silence, speech))
    assert np.isnan(metric(speech, silence))
    assert np.isnan(metric(silence, silence))
    assert np.isnan(metric(speech[:0], speech[:0]))


def test_too_short_is_undefined(speech: np.ndarray) -> None:
    voiced = speech[16_000:]
    assert np.isnan(pesq_wb(voiced[:3999], voiced[:3999]))
    assert np.isfinite(pesq_wb(voiced[:4800], voiced[:4800]))
    assert np.isnan(stoi(voiced[:4800], voiced[:4800]))
    assert np.isfinite(stoi(voiced[:16_000], voiced[:16_000]))


def test_stoi_without_thirty_loud_frames_is_undefined(speech: np.ndarray) -> None:
    mostly_silent = np.concatenate((speech[16_000:19_200], np.zeros(30_000, np.float32)))
    assert np.isnan(stoi(mostly_silent, mostly_silent))


@pytest.mark.parametrize("metric", [pesq_wb, stoi])
def test_misuse_raises(metric, speech: np.ndarray) -> None:
    with pytest.raises(ValueError, match="length"):
        metric(speech, speech[:-1])
    with pytest.raises(ValueError, match="NaN"):
        metric(speech, np.where(np.arange(len(speech)) == 5, np.nan, speech))
