from pathlib import Path

import numpy as np
import pytest
import torch
from resemblyzer import VoiceEncoder, preprocess_wav

from benchmark.data.audio import AudioError, read_audio
from benchmark.extractors.base import Batch, Side
from benchmark.extractors.speaker.resemblyzer import Resemblyzer
from benchmark.metrics.base import MetricUndefined
from benchmark.metrics.signal_pair import Pair
from benchmark.metrics.speaker import (
    PreservedSimilarity,
    SourceSimilarity,
    SpeakerSimilarity,
    TargetSimilarity,
    similarity,
)


@pytest.fixture(scope="module")
def embed() -> Batch:
    return Resemblyzer().load("cpu")


@pytest.fixture(scope="module")
def wavs(shared: Path) -> list[np.ndarray]:
    """Return whole utterances of 2 to 20 s."""
    files = sorted((shared / "data" / "LibriSpeech" / "test-other").rglob("*.flac"))
    return [read_audio(path) for path in files[:60:6]]


def test_is_the_reference_implementation(
    embed: Batch, wavs: list[np.ndarray], capsys: pytest.CaptureFixture[str]
) -> None:
    quiet = np.concatenate((0.01 * wavs[0], np.zeros(16_000, np.float32)))
    found = embed([quiet, *wavs])
    assert capsys.readouterr().out == ""
    reference = VoiceEncoder("cpu", verbose=False)
    for wav, vector in zip([quiet, *wavs], found, strict=True):
        assert isinstance(vector, np.ndarray) and vector.shape == (1, 256) and vector.dtype == np.float32
        assert np.linalg.norm(vector) == pytest.approx(1.0, abs=1e-5)
        np.testing.assert_allclose(vector[0], reference.embed_utterance(preprocess_wav(wav)), atol=1e-6)


@pytest.mark.parametrize("threads", [1, 2])
def test_company_changes_no_digit(embed: Batch, wavs: list[np.ndarray], threads: int) -> None:
    torch.set_num_threads(threads)
    wavs = wavs[:5]
    together = np.concatenate(embed(wavs))
    np.testing.assert_array_equal(np.concatenate(embed(wavs[::-1]))[::-1], together)
    np.testing.assert_array_equal(np.concatenate([embed([wav])[0] for wav in wavs]), together)


def test_same_speaker_is_nearer(embed: Batch, clips: dict[str, np.ndarray]) -> None:
    voices = dict(zip(clips, embed(list(clips.values())), strict=True))
    pairs = [(a, b) for a in voices for b in voices if a < b]
    near = {pair: similarity(*(np.ravel(voices[name]) for name in pair)) for pair in pairs}
    same = [value for (a, b), value in near.items() if a[:4] == b[:4]]
    assert min(same) > max(value for (a, b), value in near.items() if a[:4] != b[:4])


def test_clipping_keeps_integers_from_overflowing(embed: Batch, speech: np.ndarray) -> None:
    loud = 20 * speech / np.abs(speech).max()
    first, second = embed([loud, np.clip(loud, -1, 1)])
    np.testing.assert_array_equal(first, second)


def test_no_speech_is_a_reason_among_vectors(embed: Batch, speech: np.ndarray) -> None:
    wavs = [np.zeros(16_000), speech[:0], np.full(16_000, np.nan), speech[:400], speech, speech[:800]]
    found = embed([wav.astype(np.float32) for wav in wavs])
    reasons = ["digital silence", "no samples", "NaN", "at least 0.03 s", None, "no speech found"]
    for value, reason in zip(found, reasons, strict=True):
        assert isinstance(value, AudioError) == bool(reason)
        if reason:
            assert str(value).startswith("no speaker embedding: ") and reason in str(value)
    np.testing.assert_array_equal(found[4], embed([speech])[0])
    assert embed([]) == []


@pytest.mark.parametrize(
    ("metric", "side", "better"),
    [
        (TargetSimilarity(), "prompt", True),
        (SourceSimilarity(), "reference", False),
        (PreservedSimilarity(), "reference", True),
    ],
)
def test_metrics_compare_the_decoded_voice(metric: SpeakerSimilarity, side: Side, better: bool) -> None:
    assert metric.higher_is_better is better and metric.uses_model
    assert [name for name, _ in metric.needs()] == ["decoded", side]
    key = metric.encoder.key
    first, second = np.array([[3.0, 0.0]]), np.array([[1.0, 1.0]])
    silence = np.zeros(0, np.float32)
    pair = Pair("u", silence, silence, given={("decoded", key): first, (side, key): second})
    assert metric.score(pair) == pytest.approx(np.sqrt(0.5))
    pair.given[side, key] = 0 * second
    with pytest.raises(MetricUndefined, match="zero"):
        metric.score(pair)
    pair.given["decoded", key] = AudioError("no speech found")
    with pytest.raises(AudioError, match="no speech"):
        metric.score(pair)


def test_definitions_name_the_encoder_and_the_recordings() -> None:
    assert TargetSimilarity().definition == (
        "cosine of Resemblyzer embeddings of converted speech and the target speaker's prompt, after its "
        "volume normalisation and VAD, mean over files"
    )
    assert "source recording" in SourceSimilarity().definition
    assert "the original" in PreservedSimilarity().definition


def test_similarity() -> None:
    assert similarity(np.array([3.0, 0.0]), np.array([1.0, 1.0])) == pytest.approx(np.sqrt(0.5))
    assert similarity(np.array([1.0, 2.0]), np.array([-1.0, -2.0])) == pytest.approx(-1.0)
    assert np.isnan(similarity(np.zeros(2), np.ones(2)))
