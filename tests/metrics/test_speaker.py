import numpy as np
import pytest
from resemblyzer import VoiceEncoder, preprocess_wav

from benchmark.data.audio import AudioError
from benchmark.metrics.speaker import SpeakerEncoder, similarity


@pytest.fixture(scope="module")
def encoder() -> SpeakerEncoder:
    return SpeakerEncoder()


def test_is_the_reference_implementation(
    encoder: SpeakerEncoder, speech: np.ndarray, capsys: pytest.CaptureFixture[str]
) -> None:
    quiet = np.concatenate((0.01 * speech, np.zeros(16_000, np.float32)))
    embedding = encoder.embed(quiet)
    assert capsys.readouterr().out == ""
    assert embedding.shape == (256,) and embedding.dtype == np.float32
    assert np.linalg.norm(embedding) == pytest.approx(1.0, abs=1e-5)
    expected = VoiceEncoder("cpu", verbose=False).embed_utterance(preprocess_wav(quiet))
    np.testing.assert_allclose(embedding, expected, atol=1e-6)


def test_same_speaker_is_nearer(encoder: SpeakerEncoder, clips: dict[str, np.ndarray]) -> None:
    voices = {name: encoder.embed(wav) for name, wav in clips.items()}
    pairs = [(a, b) for a in voices for b in voices if a < b]
    same = [similarity(voices[a], voices[b]) for a, b in pairs if a[:4] == b[:4]]
    others = [similarity(voices[a], voices[b]) for a, b in pairs if a[:4] != b[:4]]
    assert min(same) > max(others)


def test_clipping_keeps_integers_from_overflowing(encoder: SpeakerEncoder, speech: np.ndarray) -> None:
    loud = 20 * speech / np.abs(speech).max()
    np.testing.assert_array_equal(encoder.embed(loud), encoder.embed(np.clip(loud, -1, 1)))


def test_no_speech_is_an_audio_error(encoder: SpeakerEncoder, speech: np.ndarray) -> None:
    for wav in (np.zeros(16_000, np.float32), speech[:0], np.full(16_000, np.nan, np.float32), speech[:400]):
        with pytest.raises(AudioError, match="speaker embedding"):
            encoder.embed(wav)


def test_similarity() -> None:
    assert similarity(np.array([3.0, 0.0]), np.array([1.0, 1.0])) == pytest.approx(np.sqrt(0.5))
    assert similarity(np.array([1.0, 2.0]), np.array([-1.0, -2.0])) == pytest.approx(-1.0)
    assert np.isnan(similarity(np.zeros(2), np.ones(2)))
