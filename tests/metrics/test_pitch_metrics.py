from collections.abc import Callable

import librosa
import numpy as np
import pytest
import pyworld
from scipy.signal import firwin, lfilter

from benchmark.errors import UserError
from benchmark.extractors.f0.crepe import Crepe
from benchmark.extractors.f0.extractors import F0, Autocorrelation, Dio, Harvest, Pyin
from benchmark.metrics.base import DecodeFailure, Metric, MetricUndefined, Score
from benchmark.metrics.pitch import (
    F0FrameError,
    GrossPitchError,
    PitchCorrelation,
    PitchMetric,
    PitchRmse,
    VoicedOverlap,
    VoicingDecisionError,
)
from benchmark.metrics.signal_pair import Pair

TRACKERS = [Autocorrelation(), Dio(), Harvest(), Pyin()]
GPE, VDE, FFE = GrossPitchError(), VoicingDecisionError(), F0FrameError()
RMSE, CORR = PitchRmse(), PitchCorrelation()


def sawtooth(f0: float, seconds: float = 1.0) -> np.ndarray:
    return (0.3 * (np.arange(int(16_000 * seconds)) * f0 / 16_000 % 1.0 - 0.5)).astype(np.float32)


def track(tracker: F0, wav: np.ndarray) -> np.ndarray:
    value = tracker.extract(wav)
    assert value.shape[1] == 1
    return value[:, 0]


def of_tracks(metric: PitchMetric, reference: np.ndarray, decoded: np.ndarray) -> float:
    """Return the metric's score of given tracks."""
    wav = np.ones(160, np.float32)
    key = metric.extractor.key
    given = {("reference", key): reference[:, None], ("decoded", f"{key} delay"): decoded[:, None]}
    return number(metric.score(Pair("a", wav, wav, given=given)))


def number(score: Score | float) -> float:
    return score.value if isinstance(score, Score) else score


@pytest.mark.parametrize("tracker", TRACKERS, ids=lambda tracker: tracker.name)
@pytest.mark.parametrize("f0", [80.0, 150.0, 320.0])
def test_every_tracker_finds_a_known_pitch_on_one_grid_of_frames(tracker: F0, f0: float) -> None:
    found = track(tracker, sawtooth(f0))
    assert found.shape == (101,)
    assert np.median(found[10:-10]) == pytest.approx(f0, rel=0.01)


def test_pitch_outside_the_range_is_not_reported() -> None:
    low = track(Dio(), sawtooth(45.0))
    assert not track(Dio(), np.sin(2 * np.pi * 600 * np.arange(16_000) / 16_000)).any()
    assert not np.any((low > 0) & (low < 55))


def test_dio_is_refined_by_stonemask(speech: np.ndarray) -> None:
    samples = speech.astype(np.float64)
    f0, times = pyworld.dio(samples, 16_000, f0_floor=60.0, f0_ceil=500.0, frame_period=10.0)
    refined = pyworld.stonemask(samples, f0, times, 16_000)
    np.testing.assert_allclose(track(Dio(), speech), refined, rtol=1e-8)
    assert 0.2 < (track(Dio(), speech) > 0).mean() < 0.9


def test_harvest_is_that_of_the_filtered_signal(speech: np.ndarray) -> None:
    tracker = Harvest(floor=40.0, ceiling=800.0, frame_period=5.0, low_cut=70.0)
    filtered = lfilter(firwin(255, 70 / 8000, pass_zero=False), 1, speech.astype(np.float64))
    f0, _ = pyworld.harvest(filtered, 16_000, f0_floor=40, f0_ceil=800, frame_period=5)
    np.testing.assert_allclose(track(tracker, speech), f0, rtol=1e-8)
    assert tracker.words == (
        "Harvest (own implementation, equal to pyworld 0.3.5), 40–800 Hz, 5 ms after a 70 Hz low cut"
    )


def test_pyin_is_that_of_librosa(synthetic: np.ndarray) -> None:
    f0, _, _ = librosa.pyin(
        synthetic.astype(np.float64), fmin=60, fmax=500, sr=16_000, frame_length=1024, hop_length=160
    )
    np.testing.assert_array_equal(track(Pyin(), synthetic), np.nan_to_num(f0))


def test_crepe_agrees_with_dio_and_says_the_same_twice(synthetic: np.ndarray) -> None:
    pytest.importorskip("torchcrepe")
    found, dio = track(Crepe(), synthetic), track(Dio(), synthetic)
    np.testing.assert_array_equal(found, track(Crepe(), synthetic))
    both = (found > 0) & (dio > 0)
    assert found.shape == dio.shape and both.mean() > 0.3
    assert np.median(np.abs(found / np.where(dio, dio, 1) - 1)[both]) < 0.02


def test_without_its_library_crepe_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmark.extractors.libraries.find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"speech-token-benchmark\[crepe\]"):
        _ = GrossPitchError(extractor=Crepe()).key


@pytest.mark.parametrize("tracker", TRACKERS, ids=lambda tracker: tracker.name)
def test_silence_is_unvoiced_and_damage_is_refused(tracker: F0) -> None:
    assert not track(tracker, np.zeros(16_000, np.float32)).any()
    assert not track(tracker, np.zeros(1600, np.float32)).any()
    for damaged in (np.zeros(0, np.float32), np.full(16_000, np.nan, np.float32)):
        with pytest.raises(ValueError, match=r"empty|NaN"):
            tracker.extract(damaged)


def test_parameters_of_a_tracker_are_part_of_key_and_definition() -> None:
    metrics = [
        GrossPitchError(extractor=e) for e in (Dio(), Dio(floor=70.0), Harvest(), Dio(low_cut=70.0), Pyin())
    ]
    assert len({m.key for m in metrics}) == len({m.definition for m in metrics}) == 5
    assert GPE.definition.startswith(
        "frames voiced in both whose F0 is off by more than 20 %, autocorrelation (Boersma 1993, own "
        "implementation), 60–500 Hz, 10 ms, Σ errors / Σ frames over files, "
    )


REFERENCE = np.array([100.0, 100.0, 200.0, 200.0, 0.0, 0.0])


def test_gross_error_counts_frames_voiced_in_both() -> None:
    # 19 % is right, 21 % up and 25 % down are wrong, the others are voiced in one or none.
    decoded = np.array([119.0, 121.0, 150.0, 0.0, 90.0, 0.0])
    assert of_tracks(GPE, REFERENCE, decoded) == pytest.approx(200 / 3)
    assert of_tracks(GPE, REFERENCE, REFERENCE) == 0.0
    assert of_tracks(GrossPitchError(threshold=0.22), REFERENCE, decoded) == pytest.approx(100 / 3)


def test_gross_error_is_relative_to_the_reference() -> None:
    # 100 → 124 is off by 24 % of 100 but by 19 % of 124.
    assert of_tracks(GPE, np.array([100.0]), np.array([124.0])) == 100.0
    assert of_tracks(GPE, np.array([124.0]), np.array([100.0])) == 0.0


def test_voicing_error_counts_all_frames() -> None:
    assert of_tracks(VDE, REFERENCE, np.array([100.0, 0, 50, 1, 70, 0])) == pytest.approx(100 * 2 / 6)
    assert of_tracks(VDE, REFERENCE, 3 * REFERENCE) == 0.0


def test_frame_error_joins_both_over_all_frames() -> None:
    # Of six frames two are grossly off (121, 150) and two voiced in one only.
    assert of_tracks(FFE, REFERENCE, np.array([119.0, 121.0, 150.0, 0.0, 90.0, 0.0])) == pytest.approx(
        400 / 6
    )
    assert of_tracks(FFE, REFERENCE, REFERENCE) == 0.0
    assert of_tracks(FFE, REFERENCE, 0 * REFERENCE) == pytest.approx(400 / 6)


def test_frame_error_is_the_sum_of_its_parts(coded: list[tuple[np.ndarray, np.ndarray]]) -> None:
    for original, decoded in coded:
        pair = Pair("a", original, decoded)
        reference, found = GPE.tracks(pair)
        both = ((reference > 0) & (found > 0)).mean()
        assert FFE.score(pair) == pytest.approx(VDE.score(pair) + both * number(GPE.score(pair)))


def test_rmse_on_frames_voiced_in_both_or_on_all() -> None:
    decoded = np.array([103.0, 96.0, 200.0, 0.0, 50.0, 0.0])
    assert of_tracks(RMSE, REFERENCE, decoded) == pytest.approx(np.sqrt((9 + 16 + 0) / 3))
    everywhere = np.sqrt((9 + 16 + 200**2 + 50**2) / 6)
    assert of_tracks(PitchRmse(frames="all"), REFERENCE, decoded) == pytest.approx(everywhere)


def test_tracks_are_cut_to_the_shorter() -> None:
    assert of_tracks(GPE, REFERENCE, np.array([100.0, 100.0])) == 0.0
    assert of_tracks(VDE, REFERENCE[:2], np.append(REFERENCE, 50.0)) == 0.0


def test_nothing_voiced_in_both_is_undefined() -> None:
    unvoiced = np.zeros(6)
    for metric in (GPE, RMSE, CORR, PitchRmse(frames="all"), PitchCorrelation(frames="all")):
        with pytest.raises(MetricUndefined, match="voiced"):
            of_tracks(metric, REFERENCE, unvoiced)
    assert of_tracks(VDE, REFERENCE, unvoiced) == pytest.approx(100 * 4 / 6)
    with pytest.raises(MetricUndefined, match="no frame"):
        of_tracks(VDE, np.zeros(0), unvoiced)


def test_correlation_on_frames_voiced_in_both() -> None:
    rising = np.linspace(100, 200, 20)
    assert of_tracks(CORR, rising, 2 * rising + 5) == pytest.approx(1.0)
    assert of_tracks(CORR, rising, 400 - rising) == pytest.approx(-1.0)
    # Unvoiced frames, counted as 0 Hz, turn this around.
    gaps = np.where(np.arange(20) < 5, 0, 400 - rising)
    start = np.where(np.arange(20) < 5, 0, rising)
    assert of_tracks(CORR, start, gaps) == pytest.approx(-1.0)
    assert of_tracks(PitchCorrelation(frames="all"), start, gaps) == pytest.approx(
        np.corrcoef(start, gaps)[0, 1]
    )
    other = np.random.default_rng(0).uniform(100, 200, 20)
    assert of_tracks(CORR, rising, other) == pytest.approx(np.corrcoef(rising, other)[0, 1])


def test_correlation_needs_ten_frames_and_variance() -> None:
    rising = np.linspace(100, 200, 10)
    assert of_tracks(CORR, rising, rising) == pytest.approx(1.0)
    with pytest.raises(MetricUndefined, match="fewer than 10 frames"):
        of_tracks(CORR, rising[:9], rising[:9])
    assert of_tracks(PitchCorrelation(min_frames=2), rising[:9], rising[:9]) == pytest.approx(1.0)
    with pytest.raises(MetricUndefined, match="constant"):
        of_tracks(CORR, rising, np.full(10, 120.0))


def test_octave_up_is_a_gross_error(speech: np.ndarray) -> None:
    found = track(Dio(), speech)
    assert of_tracks(GPE, found, 2 * found) == 100.0
    assert of_tracks(GPE, found, 1.1 * found) == 0.0


def test_the_delay_is_removed_before_frames_are_compared(synthetic: np.ndarray) -> None:
    late = np.pad(synthetic, (800, 0))  # five frames
    assert VDE.score(Pair("a", synthetic, late)) == 0.0
    assert VDE.score(Pair("a", synthetic, synthetic)) == 0.0
    assert VoicingDecisionError(alignment="cut").score(Pair("a", synthetic, late)) > 5


def test_conversion_is_compared_by_p_corr_alone(metric: Callable[[str], Metric]) -> None:
    assert list(metric("p_corr").tasks) == ["voice_conversion"]
    assert not metric("f0_corr").tasks and metric("f0_corr").voice == "kept"
    assert "delay within ±100 ms removed" in metric("p_corr").definition


def test_all_default_pitch_metrics_use_one_extractor(metric: Callable[[str], Metric]) -> None:
    names = ("gpe", "gpe_frames", "vde", "ffe", "p_corr", "f0_rmse", "f0_corr")
    assert {getattr(metric(name), "extractor") for name in names} == {Autocorrelation()}  # noqa: B009
    assert getattr(metric("survey_gpe"), "extractor") == Dio()  # noqa: B009
    assert "no delay removed" in metric("survey_p_corr").definition


@pytest.mark.parametrize("late", [10, 20, 40, 80])
def test_p_corr_does_not_charge_a_decoder_for_its_latency(
    metric: Callable[[str], Metric], speech: np.ndarray, late: int
) -> None:
    delayed = np.pad(speech, (16 * late, 0))
    assert number(metric("p_corr").score(Pair("a", speech, delayed))) >= 0.99
    assert number(metric("survey_p_corr").score(Pair("a", speech, delayed))) < 0.99


@pytest.mark.parametrize("late", [20, 80])
def test_p_corr_finds_the_delay_of_another_voice(
    metric: Callable[[str], Metric], speech: np.ndarray, late: int
) -> None:
    other = in_another_voice(speech)
    correlation = np.corrcoef(speech, other[: len(speech)])[0, 1]
    assert abs(correlation) < 0.3  # the waveforms have nothing in common
    at_once, later = (
        Pair("a", speech, np.pad(other, (16 * shift, 0)).astype(np.float32)) for shift in (0, late)
    )
    assert later.delay - at_once.delay == pytest.approx(16 * late, abs=16)
    scores = [number(metric("p_corr").score(pair)) for pair in (at_once, later)]
    assert scores[1] == pytest.approx(scores[0], abs=0.05)


def in_another_voice(wav: np.ndarray) -> np.ndarray:
    """Raise pitch by a half and formants by a sixth."""
    samples = wav.astype(np.float64)
    f0, times = pyworld.dio(samples, 16_000)
    envelope = pyworld.cheaptrick(samples, f0, times, 16_000)
    bins = np.arange(envelope.shape[1])
    shifted = np.exp([np.interp(bins / 1.17, bins, frame) for frame in np.log(envelope)])
    return pyworld.synthesize(1.5 * f0, shifted, pyworld.d4c(samples, f0, times, 16_000), 16_000)


def test_gross_errors_are_pooled_over_the_frames_of_all_files(speech: np.ndarray) -> None:
    few, many = np.array([100.0, 0, 0]), np.full(30, 100.0)
    wav = np.ones(160, np.float32)
    key = GPE.extractor.key
    scores = []
    for reference, decoded in ((few, 2 * few), (many, many)):
        given = {("reference", key): reference[:, None], ("decoded", f"{key} delay"): decoded[:, None]}
        scores.append(GPE.score(Pair("a", wav, wav, given=given)))
    assert [(score.value, score.weight) for score in scores] == [(100.0, 1.0), (0.0, 30.0)]


def test_the_share_of_frames_behind_gross_errors() -> None:
    overlap = VoicedOverlap()
    assert of_tracks(overlap, REFERENCE, np.array([119.0, 121.0, 150.0, 0.0, 90.0, 0.0])) == 75.0
    assert of_tracks(overlap, REFERENCE, 0 * REFERENCE) == 0.0
    with pytest.raises(MetricUndefined, match="original is voiced"):
        of_tracks(overlap, 0 * REFERENCE, REFERENCE)


def test_decoded_silence_is_scored_by_voicing_and_fails_elsewhere(speech: np.ndarray) -> None:
    pair = Pair("a", speech, np.zeros_like(speech))
    voiced = 100.0 * (Autocorrelation().extract(speech)[:, 0] > 0).mean()
    assert VDE.score(pair) == FFE.score(pair) == pytest.approx(voiced) and voiced > 20
    assert number(VoicedOverlap().score(pair)) == 0.0
    for metric in (GPE, RMSE, CORR):
        with pytest.raises(DecodeFailure, match="silence"):
            metric.score(pair)
    with pytest.raises(MetricUndefined, match="original is digital silence"):
        FFE.score(Pair("a", np.zeros_like(speech), speech))


def test_wrong_frames_are_refused() -> None:
    with pytest.raises(UserError, match=r"'voicd'.*voiced"):
        PitchRmse(frames="voicd")  # type: ignore[arg-type]
