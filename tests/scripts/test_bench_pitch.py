"""Tests of the comparison of pitch extractors: its counts, and the pitch of the synthesised speech."""

from pathlib import Path

import numpy as np
import pytest

from benchmark.data.audio import write_audio
from benchmark.errors import UserError
from benchmark.extractors.f0.extractors import Autocorrelation, Dio
from scripts.bench import pitch as bench
from scripts.bench.pitch_synthesis import add_noise, contour, most_voiced, resynthesise


def test_errors_are_counted_by_kind() -> None:
    truth = np.array([100.0, 100, 100, 100, 0, 0, 200])
    found = np.array([101.0, 204, 130, 0, 90, 0, 99])
    errors = bench.compare(truth, found)
    assert errors == bench.Errors(frames=7, voiced=5, missed=1, added=1, both=4, gross=3, octave=2)
    assert errors.shares()["FFE"] == pytest.approx(500 / 7)


def test_a_contour_is_the_median_of_what_most_hear_without_short_runs() -> None:
    votes = np.zeros((3, 30))
    votes[:, 5:15] = np.array([[100.0], [102.0], [204.0]])
    votes[:2, 20:23] = 150.0  # 30 ms only
    votes[0, 25:] = 120.0  # one of three
    found = contour(most_voiced(votes), votes)
    assert (found[5:15] == 102.0).all() and not found[:5].any() and not found[15:].any()


def test_resynthesised_speech_has_the_given_pitch_and_voicing(speech: np.ndarray) -> None:
    frames = len(speech) // 160 + 1
    truth = np.where(Dio().extract(speech)[:frames, 0] > 0, np.linspace(140, 220, frames), 0.0)
    made = resynthesise(speech, truth, np.random.default_rng(0))
    assert made.shape == speech.shape and np.isfinite(made).all()
    shares = bench.compare(truth, Autocorrelation().extract(made)[:, 0]).shares()
    assert shares["GPE"] < 2 and shares["VDE"] < 12
    noisy = add_noise(made, 10.0, np.random.default_rng(0))
    level = np.mean(np.square(made, dtype=float)) / np.mean(np.square(noisy - made, dtype=float))
    assert 10 * np.log10(level) == pytest.approx(10, abs=0.2)


def test_the_page_has_a_line_for_each_extractor_and_condition(
    speech: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bench, "EXTRACTORS", {"first": Autocorrelation(), "second": Dio()})
    for name in "ab":
        write_audio(tmp_path / f"{name}.flac", speech)
    out = tmp_path / "page.md"
    bench.main([str(tmp_path), "--count=2", "--seconds=1", f"--out={out}"])
    text = out.read_text()
    assert text.count("| first |") == text.count("| second |") == 5
    with pytest.raises(UserError, match="2 files"):
        bench.main([str(tmp_path), "--count=3"])
