import io

import numpy as np
import pytest
import soundfile
import torch
import torchaudio

from benchmark.errors import UserError
from benchmark.metrics.delay import MAX_DELAY, estimate_delay
from benchmark.metrics.signal_pair import Pair


def shifted(wav: np.ndarray, delay: int) -> np.ndarray:
    """Delay a signal by padding or cutting its beginning, which changes its length as codecs do."""
    return np.pad(wav, (delay, 0)) if delay >= 0 else wav[-delay:]


@pytest.mark.parametrize("delay", [0, 1, -8, 104, 312, -777, 1500])
def test_delay_of_real_speech_is_exact(clips: dict[str, np.ndarray], noise: np.ndarray, delay: int) -> None:
    for wav in clips.values():
        late = shifted(wav, delay)
        assert estimate_delay(wav, late) == delay
        assert estimate_delay(wav, -0.3 * late) == delay
        assert estimate_delay(wav, late + 0.01 * np.resize(noise, late.shape)) == delay


def test_delay_of_a_real_codec(speech: np.ndarray) -> None:
    file = io.BytesIO()
    soundfile.write(file, speech, 16_000, format="OGG", subtype="OPUS", compression_level=1.0)
    file.seek(0)
    decoded, _ = soundfile.read(file, dtype="float32")
    base = estimate_delay(speech, decoded)
    assert abs(base) <= 2
    assert estimate_delay(speech, shifted(decoded, 104)) == base + 104


def test_delay_of_invented_phases_is_found_to_two_milliseconds(clips: dict[str, np.ndarray]) -> None:
    torch.manual_seed(0)
    window = torch.hann_window(1024)
    for wav in list(clips.values())[::2]:
        spectrum = torch.stft(torch.from_numpy(wav), 1024, 256, window=window, return_complex=True).abs()
        vocoded = torchaudio.transforms.GriffinLim(1024, n_iter=16, hop_length=256, power=1)(spectrum).numpy()
        assert abs(estimate_delay(wav, vocoded)) <= 32
        assert abs(estimate_delay(wav, shifted(vocoded, 320)) - 320) <= 32


@pytest.mark.parametrize("frequency", [100.0, 440.0, 3000.0])
def test_periodic_signals_have_no_delay(frequency: float) -> None:
    sine = np.sin(2 * np.pi * frequency * np.arange(16_000) / 16_000)
    period = 16_000 / frequency
    assert estimate_delay(sine, sine) == 0
    assert abs(estimate_delay(sine, np.roll(sine, 1000))) <= period / 2


def test_signals_without_a_common_course_have_no_delay(speech: np.ndarray, noise: np.ndarray) -> None:
    silence = np.zeros_like(speech)
    assert estimate_delay(speech, silence) == 0
    assert estimate_delay(silence, silence) == 0
    assert estimate_delay(speech, noise) == 0
    assert estimate_delay(noise, np.random.default_rng(1).standard_normal(len(noise))) == 0


def test_delays_beyond_the_window_are_not_found(noise: np.ndarray) -> None:
    assert estimate_delay(noise, shifted(noise, MAX_DELAY - 2)) == MAX_DELAY - 2
    assert estimate_delay(noise, shifted(noise, MAX_DELAY + 50)) == 0
    assert estimate_delay(noise, shifted(noise, 200), max_delay=100) == 0


@pytest.mark.parametrize("delay", [-8, 0, 312])
def test_alignment_by_delay_restores_the_overlap(speech: np.ndarray, delay: int) -> None:
    pair = Pair("a", speech, shifted(speech, delay))
    reference, restored = pair.aligned("delay")
    assert pair.delay == delay
    assert reference is speech and restored.shape == speech.shape
    start = max(0, -delay)
    np.testing.assert_array_equal(restored[start:], speech[start:])
    assert not restored[:start].any()


def test_alignment_by_delay_makes_the_length_the_originals(speech: np.ndarray) -> None:
    longer = Pair("a", speech, np.append(speech, np.ones(500, np.float32)))
    np.testing.assert_array_equal(longer.aligned("delay")[1], speech)
    shorter = Pair("a", speech, speech[:-500])
    np.testing.assert_array_equal(shorter.aligned("delay")[1], np.append(speech[:-500], np.zeros(500)))


@pytest.mark.parametrize("samples", [-500, 0, 500])
def test_other_alignments_remove_no_delay(speech: np.ndarray, samples: int) -> None:
    late = shifted(speech, samples)
    pair = Pair("a", speech, late)
    length = min(len(speech), len(late))
    for side, wav in zip(pair.aligned("cut"), (speech, late), strict=True):
        np.testing.assert_array_equal(side, wav[:length])
    for side, wav in zip(pair.aligned("pad"), (speech, late), strict=True):
        np.testing.assert_array_equal(side, np.pad(wav, (0, abs(samples) + length - len(wav))))


def test_an_unknown_alignment_is_refused(speech: np.ndarray) -> None:
    with pytest.raises(UserError, match=r"'delays'.*'delay'"):
        Pair("a", speech, speech).aligned("delays")  # type: ignore[arg-type]
