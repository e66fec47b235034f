import numpy as np
import pesq
import pystoi
import pytest

from benchmark.errors import UserError
from benchmark.metrics.base import DecodeFailure, Metric, MetricUndefined
from benchmark.metrics.perceptual import Pesq
from benchmark.metrics.signal_pair import Pair
from benchmark.metrics.stoi import Stoi, StoiBands

PESQ, STOI, ESTOI = Pesq(), Stoi(), Stoi(label="ESTOI", extended=True)
ALL = [PESQ, STOI, ESTOI]


def score(metric: Metric, reference: np.ndarray, decoded: np.ndarray) -> float:
    return float(metric.score(Pair("a", reference, decoded)))


def test_pesq_is_the_reference_package(coded: list[tuple[np.ndarray, np.ndarray]]) -> None:
    for wav, decoded in coded:
        moved = Pair("a", wav, decoded).aligned("delay")[1]
        assert score(PESQ, wav, decoded) == pesq.pesq(16_000, wav, moved, "wb")
        assert score(Pesq(alignment="cut"), wav, decoded) == pesq.pesq(16_000, wav, decoded, "wb")
        assert score(Pesq(band="nb"), wav, decoded) == pesq.pesq(16_000, wav, moved, "nb")
        assert score(PESQ, wav, decoded) != pytest.approx(pesq.pesq(16_000, moved, wav, "wb"), abs=1e-4)


@pytest.mark.parametrize("extended", [False, True])
def test_stoi_is_the_reference_package(coded: list[tuple[np.ndarray, np.ndarray]], extended: bool) -> None:
    metric = Stoi(extended=extended, alignment="cut")
    for wav, decoded in coded:
        expected = pystoi.stoi(wav, decoded, 16_000, extended=extended)
        assert score(metric, wav, decoded) == pytest.approx(expected, abs=1e-7)
        assert score(metric, decoded, wav) == pytest.approx(
            pystoi.stoi(decoded, wav, 16_000, extended=extended), abs=1e-7
        )


def test_stoi_with_pauses_and_odd_lengths_is_the_reference_package(
    speech: np.ndarray, noise: np.ndarray
) -> None:
    pause = np.zeros(9_000, np.float32)
    wav = np.concatenate((pause, speech[:20_011], pause, speech[20_011:]))
    decoded = wav + 0.01 * np.resize(noise, wav.shape)
    for extended in (False, True):
        for length in (30_000, 40_001, len(wav)):
            expected = pystoi.stoi(wav[:length], decoded[:length], 16_000, extended=extended)
            found = score(Stoi(extended=extended), wav[:length], decoded[:length])
            assert found == pytest.approx(expected, abs=1e-7)


@pytest.mark.parametrize("length", [1, 2, 7, 8, 58, 59, 63, 64, 65, 128, 1601, 44_999, 45_000])
def test_the_resampler_is_that_of_the_reference_package(noise: np.ndarray, length: int) -> None:
    samples = noise[:length].astype(np.float64)
    expected = pystoi.utils.resample_oct(samples, 10_000, 16_000)
    np.testing.assert_allclose(StoiBands().resample(samples), expected, atol=1e-13)


def test_stoi_of_a_cut_original_is_that_of_what_is_left(speech: np.ndarray, noise: np.ndarray) -> None:
    decoded = (speech + 0.01 * noise)[:30_000]
    for metric in (Stoi(alignment="cut"), Stoi(alignment="pad")):
        reference, other = Pair("a", speech, decoded).aligned(metric.alignment)
        assert score(metric, speech, decoded) == pytest.approx(
            pystoi.stoi(reference, other, 16_000), abs=1e-7
        )


def test_extended_stoi_is_deterministic_where_a_band_is_empty(speech: np.ndarray) -> None:
    gap = np.where((np.arange(len(speech)) > 15_000) & (np.arange(len(speech)) < 30_000), 0, speech)
    assert score(ESTOI, speech, gap) == score(ESTOI, speech, gap)
    assert score(ESTOI, speech, gap) == pytest.approx(
        pystoi.stoi(speech, gap, 16_000, extended=True), abs=0.02
    )


def test_identity_is_the_best_score(speech: np.ndarray) -> None:
    assert score(PESQ, speech, speech) == pytest.approx(4.644, abs=0.001)
    assert score(STOI, speech, speech) == pytest.approx(1.0)
    assert score(ESTOI, speech, speech) == pytest.approx(1.0)


@pytest.mark.parametrize("metric", ALL, ids=lambda metric: metric.label)
def test_more_noise_scores_lower(metric: Metric, speech: np.ndarray, noise: np.ndarray) -> None:
    scores = [score(metric, speech, speech + level * noise) for level in (0.001, 0.005, 0.03)]
    assert scores == sorted(scores, reverse=True)
    assert scores[0] - scores[-1] > 0.1


@pytest.mark.parametrize("metric", ALL, ids=lambda metric: metric.label)
def test_a_silent_original_is_undefined_and_a_silent_decode_fails(metric: Metric, speech: np.ndarray) -> None:
    silence = np.zeros_like(speech)
    for original in (silence, speech):
        expected = DecodeFailure if original is speech else MetricUndefined
        with pytest.raises(expected, match="silence"):
            score(metric, original, silence)
    with pytest.raises(MetricUndefined, match="silence"):
        score(metric, silence, speech)
    with pytest.raises(MetricUndefined, match="empty"):
        score(metric, speech[:0], speech)
    with pytest.raises(DecodeFailure, match="empty"):
        score(metric, speech, speech[:0])


def test_too_short_is_undefined(speech: np.ndarray) -> None:
    voiced = speech[16_000:]
    with pytest.raises(MetricUndefined):
        score(PESQ, voiced[:3999], voiced[:3999])
    assert np.isfinite(score(PESQ, voiced[:4800], voiced[:4800]))
    for metric in (STOI, ESTOI):
        for length in (1, 100, 256, 4800):
            with pytest.raises(MetricUndefined, match="fewer than 30 frames"):
                score(metric, voiced[:length], voiced[:length])
        assert np.isfinite(score(metric, voiced[:16_000], voiced[:16_000]))


def test_stoi_without_thirty_loud_frames_is_undefined(speech: np.ndarray) -> None:
    mostly_silent = np.concatenate((speech[16_000:19_200], np.zeros(30_000, np.float32)))
    with pytest.raises(MetricUndefined, match="fewer than 30 frames"):
        score(STOI, mostly_silent, mostly_silent)


@pytest.mark.parametrize("metric", ALL, ids=lambda metric: metric.label)
def test_damaged_samples_raise(metric: Metric, speech: np.ndarray) -> None:
    with pytest.raises(ValueError, match="NaN"):
        score(metric, speech, np.where(np.arange(len(speech)) == 5, np.nan, speech))


def test_wrong_names_are_refused() -> None:
    with pytest.raises(UserError, match="band 'fb'"):
        Pesq(band="fb")  # type: ignore[arg-type]
    with pytest.raises(UserError, match=r"resampler 'octav'.*'octave'"):
        Stoi(resampler="octav")  # type: ignore[arg-type]


def test_definitions_say_their_parameters() -> None:
    assert PESQ.definition.startswith(
        "wideband, 16 kHz, ITU-T P.862.2, mean over files, delay within ±100 ms"
    )
    assert Pesq(band="nb").definition.startswith("narrowband")
    assert STOI.definition.startswith("not extended") and ESTOI.definition.startswith("extended")
    assert len({m.definition for m in (*ALL, Stoi(resampler="scipy"), Stoi(lead=1))}) == 5
