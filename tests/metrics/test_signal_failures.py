"""Every signal metric on damaged speech: no value, an error, or a number that shows the damage."""

import subprocess
import sys
from collections.abc import Callable

import numpy as np
import pytest

from benchmark.data.audio import AudioError
from benchmark.metrics.base import DecodeFailure, Metric, MetricUndefined, Score
from benchmark.metrics.pitch import F0FrameError, VoicedOverlap, VoicingDecisionError
from benchmark.metrics.signal_pair import Pair

NAMES = [
    "pesq", "stoi", "estoi", "si_sdr", "mel_distance", "mr_stft", "mcd", "gpe", "gpe_frames", "vde", "ffe",
    "f0_rmse", "f0_corr", "p_corr", "delay", "versa_mcd", "versa_f0_rmse", "versa_f0_corr", "versa_pesq",
    "versa_stoi", "codec_superb_mel", "codec_superb_stft", "codec_superb_pesq", "codec_superb_stoi",
    "codec_superb_f0_corr",
]  # fmt: skip
NEEDS_TIME = [name for name in NAMES if name.endswith(("pesq", "stoi"))] + ["f0_corr", "p_corr"]
"""What 50 ms are too short for."""
VOICING = VoicingDecisionError, F0FrameError, VoicedOverlap
"""Metrics that have a value for decoded silence: no frame of it is voiced."""


@pytest.fixture
def chosen(request: pytest.FixtureRequest, metric: Callable[[str], Metric]) -> Metric:
    if request.param == "codec_superb_f0_corr":
        pytest.importorskip("parselmouth")
    return metric(request.param)


def choose(names: list[str]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("chosen", names, indirect=True)


def score_of(metric: Metric, reference: np.ndarray, decoded: np.ndarray) -> float:
    score = metric.score(Pair("a", reference, decoded))
    return score.value if isinstance(score, Score) else score


def refused(metric: Metric, reference: np.ndarray, decoded: np.ndarray) -> bool:
    try:
        value = score_of(metric, reference, decoded)
    except (MetricUndefined, DecodeFailure, AudioError, ValueError) as error:
        assert str(error)
        return True
    assert np.isfinite(value)
    return False


@choose(NAMES)
def test_a_silent_decode_is_a_failure_and_a_silent_original_an_abstention(
    chosen: Metric, synthetic: np.ndarray
) -> None:
    silence = np.zeros_like(synthetic)
    if not isinstance(chosen, VOICING):
        with pytest.raises(DecodeFailure, match="silence"):
            chosen.score(Pair("a", synthetic, silence))
    with pytest.raises(MetricUndefined, match="silence"):
        chosen.score(Pair("a", silence, synthetic))


def test_pesq_abstains_without_an_utterance_in_the_original_and_fails_on_what_it_cannot_compute(
    metric: Callable[[str], Metric], speech: np.ndarray
) -> None:
    quiet = np.full_like(speech, 1e-30)
    with pytest.raises(MetricUndefined, match="No utterances"):
        metric("pesq").score(Pair("a", quiet, speech))
    with pytest.raises(ValueError, match="NaN"):
        metric("pesq").score(Pair("a", speech, quiet))


@choose(NAMES)
def test_what_cannot_be_scored_has_no_number(chosen: Metric, synthetic: np.ndarray) -> None:
    silence, none = np.zeros_like(synthetic), synthetic[:0]
    damaged = np.where(np.arange(len(synthetic)) == 999, np.nan, synthetic).astype(np.float32)
    endless = np.where(np.arange(len(synthetic)) == 999, np.inf, synthetic).astype(np.float32)
    for decoded in (silence, none, damaged, endless):
        assert refused(chosen, synthetic, decoded) or (decoded is silence and isinstance(chosen, VOICING))
        assert refused(chosen, decoded, synthetic)
        assert refused(chosen, decoded, decoded)


@choose(NAMES)
def test_fifty_milliseconds_give_no_number_or_a_finite_one(
    chosen: Metric, synthetic: np.ndarray, noise: np.ndarray
) -> None:
    short = synthetic[8000:8800]
    refused(chosen, short, short + 0.01 * noise[:800])


@choose(NEEDS_TIME)
def test_fifty_milliseconds_are_too_short_for_what_needs_time(
    chosen: Metric, synthetic: np.ndarray, noise: np.ndarray
) -> None:
    short = synthetic[8000:8800]
    assert refused(chosen, short, short + 0.01 * noise[:800])


# A pitch contour is not affected.
@choose([name for name in NAMES if name != "codec_superb_f0_corr"])
def test_clipping_is_scored_as_the_damage_it_is(chosen: Metric, clips: dict[str, np.ndarray]) -> None:
    wav = clips["1688-142285-0004"][:24_000]
    peak = np.abs(wav).max()
    mild, hard = np.clip(wav, -0.7 * peak, 0.7 * peak), np.clip(wav, -0.02 * peak, 0.02 * peak)
    scores = [score_of(chosen, wav, decoded) for decoded in (mild, hard)]
    assert np.isfinite(scores).all()
    if chosen.higher_is_better is not None:
        assert scores[0] == scores[1] or (scores[0] > scores[1]) == chosen.higher_is_better


def test_a_process_that_scores_signals_starts_without_heavy_libraries() -> None:
    metrics = ["pitch", "praat", "cepstral", "stoi", "spectral", "waveform", "perceptual"]
    modules = ["extractors.f0.crepe", *(f"metrics.{name}" for name in metrics)]
    imports = "; ".join(f"import benchmark.{module}" for module in modules)
    heavy = ["torch", "pandas", "librosa", "transformers", "parselmouth"]
    code = f"import sys; {imports}; print([name for name in {heavy} if name in sys.modules])"
    assert subprocess.check_output((sys.executable, "-c", code), text=True).strip() == "[]"
