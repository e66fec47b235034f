import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmark.data.audio import AudioError, read_audio
from benchmark.errors import UserError
from benchmark.extractors import libraries
from benchmark.metrics.dnsmos import P808, P835, DnsmosScore, Scale
from benchmark.metrics.signal_pair import Pair

pytest.importorskip("speechmos")


@pytest.fixture(scope="module")
def utterances(shared: Path) -> list[np.ndarray]:
    """Return utterances shorter than a window, and long ones with windows that the package skips."""
    files = sorted((shared / "data" / "LibriSpeech" / "test-other").rglob("*.flac"))
    wavs = sorted(map(read_audio, files), key=len)
    short = next(wav for wav in wavs if len(wav) > 3 * 16_000)
    long = next(wav for wav in wavs if len(wav) > 17.5 * 16_000)
    return [short, long]


def test_scores_are_those_of_the_package(utterances: list[np.ndarray]) -> None:
    from speechmos import dnsmos

    for wav in utterances:
        theirs = dnsmos.run(wav, 16_000)
        [[p808]] = P808().extract(wav)
        [[*p835]] = P835().extract(wav)
        assert p808 == pytest.approx(theirs["p808_mos"], abs=1e-4)
        assert p835 == pytest.approx([theirs[f"{name}_mos"] for name in ("sig", "bak", "ovrl")], abs=1e-4)


def test_a_metric_is_one_scale_of_the_decoded_signal(speech: np.ndarray, noise: np.ndarray) -> None:
    noisy = speech + 0.02 * noise
    expected = dict(zip(("sig", "bak", "ovrl"), P835().extract(noisy)[0], strict=True))
    expected["p808"] = P808().extract(noisy)[0, 0]
    clean, pair = Pair("u", noisy, speech), Pair("u", speech, noisy)
    scales: list[Scale] = ["p808", "sig", "bak", "ovrl"]
    for scale in scales:
        metric = DnsmosScore(scale=scale)
        assert not metric.uses_model
        assert metric.score(pair) == pytest.approx(expected[scale], abs=1e-5)
        assert metric.score(clean) > metric.score(pair) + 0.3
    assert len({DnsmosScore(scale=scale).key for scale in scales}) == 4
    assert len({DnsmosScore(scale=scale).definition for scale in scales}) == 4


def test_no_delay_is_removed(speech: np.ndarray) -> None:
    late = np.concatenate((np.zeros(500, np.float32), speech))[: len(speech)]
    found = DnsmosScore(scale="p808").score(Pair("u", speech, late))
    assert found == pytest.approx(float(P808().extract(late)[0, 0]), abs=1e-6)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda wav: 0 * wav, "digital silence"),
        (lambda wav: wav[:800], "0.05 s long"),
        (lambda wav: np.where(wav > 0, np.nan, wav), "NaN"),
        (lambda wav: wav[:0], "0 s long"),
    ],
)
def test_what_cannot_be_judged_has_a_reason(change, reason: str, speech: np.ndarray) -> None:
    [value] = P808().load("cpu")([change(speech)])
    assert isinstance(value, AudioError) and reason in str(value)
    with pytest.raises(AudioError, match=reason):
        DnsmosScore(scale="ovrl").score(Pair("u", speech, change(speech)))


def test_clipping_is_that_of_a_file(speech: np.ndarray) -> None:
    loud = 5 * speech / np.abs(speech).max()
    np.testing.assert_array_equal(P808().extract(loud), P808().extract(np.clip(loud, -1, 1)))


def test_a_worker_loads_little(speech: np.ndarray) -> None:
    code = (
        "import sys, numpy as np; from benchmark.metrics.dnsmos import P808; "
        "P808().extract(np.sin(np.arange(16000.0))); "
        "print({'torch', 'librosa', 'pandas', 'transformers', 'requests'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_a_missing_library_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(libraries, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"speech-token-benchmark\[mos\]"):
        _ = DnsmosScore(scale="sig").key


def test_an_unknown_scale_is_refused() -> None:
    with pytest.raises(UserError, match="Legal: bak, ovrl, p808, sig"):
        DnsmosScore(scale="mos")
