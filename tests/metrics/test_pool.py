from collections.abc import Iterator

import numpy as np
import pytest

from benchmark.errors import UserError
from benchmark.metrics.perceptual import pesq_wb, stoi
from benchmark.metrics.pitch import f0_track, gross_pitch_error, voicing_decision_error
from benchmark.metrics.pool import Pair, score_pairs
from benchmark.metrics.spectral import mel_distance

METRICS = ("pesq", "stoi", "gpe", "vde", "mel_distance")


@pytest.fixture(scope="module")
def pairs(clips: dict[str, np.ndarray], noise: np.ndarray) -> list[Pair]:
    return [(name, wav, f0_track(wav), wav + 0.01 * noise) for name, wav in list(clips.items())[:3]]


def test_scores_are_those_of_the_metrics_after_alignment(pairs: list[Pair]) -> None:
    name, reference, f0, degraded = pairs[0]
    late = np.pad(degraded, (104, 0))
    [(key, scores)] = score_pairs([(name, reference, f0, late)], METRICS).items()
    assert key == name and scores["failure"] == ""
    assert scores["delay"] == 104
    assert scores["pesq"] == pesq_wb(reference, degraded)
    assert scores["stoi"] == stoi(reference, degraded)
    assert scores["mel_distance"] == mel_distance(reference, degraded)
    assert scores["gpe"] == gross_pitch_error(f0, f0_track(degraded))
    assert scores["vde"] == voicing_decision_error(f0, f0_track(degraded)) > 0


def test_the_given_track_is_the_reference(clips: dict[str, np.ndarray]) -> None:
    wav = clips["1688-142285-0004"]
    # 0.81 → 1 is off by 23 % of the reference; the other way round by 19 %.
    [scores] = score_pairs([("a", wav, 0.81 * f0_track(wav), wav)], ["gpe"]).values()
    assert scores["gpe"] == 100.0


def test_a_bad_pair_is_counted_and_the_others_go_on(pairs: list[Pair]) -> None:
    name, reference, f0, degraded = pairs[0]
    bad: list[Pair] = [
        ("silent", reference, f0, np.zeros_like(reference)),
        ("damaged", reference, f0, np.full_like(reference, np.nan)),
        ("short", reference[20_000:22_000], f0[:13], degraded[20_000:22_000]),
        ("empty", reference, f0, degraded[:0]),
    ]
    scores = score_pairs([*bad, (name, reference, f0, degraded)], METRICS)
    assert list(scores) == ["silent", "damaged", "short", "empty", name]
    assert np.isnan([scores["silent"][m] for m in ("pesq", "stoi", "gpe")]).all()
    assert scores["silent"]["mel_distance"] > 1
    assert "pesq: not defined" in scores["silent"]["failure"]
    assert np.isnan([scores["damaged"][m] for m in METRICS]).all()
    assert "ValueError: NaN" in scores["damaged"]["failure"]
    assert np.isnan(scores["short"]["pesq"]) and np.isfinite(scores["short"]["mel_distance"])
    assert np.isnan([scores["empty"][m] for m in METRICS]).all()
    assert scores[name]["failure"] == "" and np.isfinite(scores[name]["pesq"])


def test_only_the_asked_metrics_and_the_delay(pairs: list[Pair]) -> None:
    [scores] = score_pairs(pairs[:1], ["stoi"]).values()
    assert set(scores) == {"stoi", "delay", "failure"}


def test_processes_change_no_number(pairs: list[Pair]) -> None:
    def stream() -> Iterator[Pair]:
        yield from pairs

    assert score_pairs(stream(), METRICS, processes=2) == score_pairs(pairs, METRICS, processes=1)


def test_unknown_metric_names_the_legal_ones(pairs: list[Pair]) -> None:
    with pytest.raises(UserError, match=r"'pseq'.*Did you mean 'pesq'"):
        score_pairs(pairs, ["pseq"])
