import numpy as np
import pytest
import pyworld
from scipy.signal import firwin, lfilter

from benchmark.errors import UserError
from benchmark.extractors.f0.extractors import Dio, Harvest
from benchmark.metrics.base import DecodeFailure
from benchmark.metrics.cepstral import MelCepstralDistortion, MelCepstrum, warped_cepstrum
from benchmark.metrics.pitch import GrossPitchError
from benchmark.metrics.signal_pair import Pair

CEPSTRUM = MelCepstrum()
DB = 10 / np.log(10) * np.sqrt(2)


def envelope(wav: np.ndarray) -> np.ndarray:
    samples = wav.astype(np.float64) * 32767
    f0, times = pyworld.dio(samples, 16_000, f0_floor=60.0, f0_ceil=500.0, frame_period=5.0)
    f0 = pyworld.stonemask(samples, f0, times, 16_000)
    return pyworld.cheaptrick(samples, f0, times, 16_000, fft_size=1024)


@pytest.mark.parametrize(("order", "alpha"), [(39, 0.466), (24, 0.42), (59, 0.0), (39, -0.3)])
def test_matrix_is_sp2mc_of_pysptk(speech: np.ndarray, order: int, alpha: float) -> None:
    pysptk = pytest.importorskip("pysptk")
    power = envelope(speech)
    expected = pysptk.sp2mc(power, order, alpha)
    np.testing.assert_allclose(np.log(power) @ warped_cepstrum(1024, order, alpha), expected, atol=1e-10)


def test_cepstra_are_those_of_pysptk(coded: list[tuple[np.ndarray, np.ndarray]]) -> None:
    pysptk = pytest.importorskip("pysptk")
    for wav, decoded in coded:
        pair = Pair("a", wav, decoded)
        first, second = (pysptk.sp2mc(envelope(part), 39, 0.42) for part in pair.aligned("delay"))
        each = DB * np.sqrt(np.square(first - second)[:, 1:].sum(1))
        assert MelCepstralDistortion(frames="all").score(pair) == pytest.approx(each.mean(), abs=1e-5)
        with_level = DB * np.sqrt(np.square(first - second).sum(1)).mean()
        assert MelCepstralDistortion(frames="all", c0=True).score(pair) == pytest.approx(with_level, abs=1e-5)
        level = np.array([frame[0] + frame[-1] + 2 * frame[1:-1].sum() for frame in envelope(wav)])
        loud = 10 * np.log10(level / level.mean()) > -20
        assert 0.3 < loud.mean() < 0.95
        assert MelCepstralDistortion().score(pair) == pytest.approx(each[loud].mean(), abs=1e-5)


def test_a_filter_before_the_pitch_is_before_the_envelope_too(speech: np.ndarray) -> None:
    filtered = lfilter(firwin(255, 70 / 8000, pass_zero=False), 1, speech.astype(np.float64) * 32767)
    f0, times = pyworld.dio(filtered, 16_000, f0_floor=60.0, f0_ceil=500.0, frame_period=5.0)
    f0 = pyworld.stonemask(filtered, f0, times, 16_000)
    power = pyworld.cheaptrick(filtered, f0, times, 16_000, fft_size=1024)
    value = MelCepstrum(pitch=Dio(frame_period=5.0, low_cut=70.0)).extract(speech)
    np.testing.assert_allclose(value[:, 0], f0, rtol=1e-8)
    np.testing.assert_allclose(value[:, 2:], np.log(power) @ warped_cepstrum(1024, 39, 0.42))


def test_gain_is_c0_alone(speech: np.ndarray) -> None:
    pair = Pair("a", speech, 0.5 * speech)
    assert MelCepstralDistortion().score(pair) == pytest.approx(0, abs=0.05)
    assert MelCepstralDistortion(c0=True).score(pair) == pytest.approx(DB * np.log(2), abs=0.05)


def test_warping_forgives_another_tempo(speech: np.ndarray) -> None:
    # A pause of 100 ms is put between two words.
    at = int(np.argmin(np.convolve(np.abs(speech), np.ones(800), "valid")[10_000:35_000])) + 10_400
    slower = np.concatenate((speech[:at], 1e-4 * speech[:1600], speech[at:]))
    pair = Pair("a", speech, slower)
    plain = MelCepstralDistortion(alignment="cut", frames="speech").score(pair)
    warped = MelCepstralDistortion(alignment="cut", frames="speech", warping=True).score(pair)
    assert warped < 0.5 * plain
    same = Pair("a", speech, speech)
    assert MelCepstralDistortion(warping=True).score(same) == pytest.approx(0, abs=1e-6)


def test_pitch_metrics_read_the_track_beside_the_cepstra(speech: np.ndarray, noise: np.ndarray) -> None:
    pair = Pair("a", speech, speech + 0.003 * noise)
    cepstra = MelCepstrum(pitch=Dio())
    shared = GrossPitchError(extractor=cepstra)
    alone = GrossPitchError(extractor=Dio())
    assert shared.score(pair).value == pytest.approx(alone.score(pair).value, abs=0.5)
    assert dict(shared.needs()) == dict(MelCepstralDistortion(cepstrum=cepstra).needs())
    assert MelCepstrum(pitch=Harvest()).words == Harvest().words


def test_value_is_as_wide_as_it_says_and_refuses_damage(speech: np.ndarray) -> None:
    for order in (24, 39):
        extractor = MelCepstrum(order=order)
        assert (
            extractor.pack(extractor.extract(speech[:4000])).shape == (51, 3 + order) == (51, extractor.width)
        )
    for damaged in (np.zeros(0, np.float32), np.full(4000, np.nan, np.float32)):
        with pytest.raises(ValueError, match=r"empty|NaN"):
            CEPSTRUM.extract(damaged)


def test_silence_is_undefined_and_wrong_frames_are_refused(speech: np.ndarray) -> None:
    with pytest.raises(DecodeFailure, match="silence"):
        MelCepstralDistortion().score(Pair("a", speech, np.zeros_like(speech)))
    with pytest.raises(UserError, match=r"'loud'.*speech"):
        MelCepstralDistortion(frames="loud")  # type: ignore[arg-type]


def test_definition_is_made_of_the_parameters() -> None:
    words = MelCepstralDistortion(c0=True, cepstrum=MelCepstrum(alpha=0.5), warping=True).definition
    for part in ("mel-cepstra 0–39", "α 0.5", "FFT 1024", "DIO", "time-warped"):
        assert part in words
