from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy.signal import correlate

from benchmark.errors import UserError
from benchmark.tokenizers.opus import Opus

Voice = Callable[..., np.ndarray]


def roundtrip(tokenizer: Opus, wav: np.ndarray) -> tuple[torch.Tensor, np.ndarray]:
    samples = torch.tensor([len(wav)])
    codes, lengths = tokenizer.encode(torch.from_numpy(wav)[None], samples)
    return codes, tokenizer.decode(codes, lengths, samples)[0].numpy()


def lag(reference: np.ndarray, other: np.ndarray) -> int:
    return int(correlate(other, reference, method="fft").argmax()) - (len(reference) - 1)


def test_speech_comes_back_in_step(real_speech: list[np.ndarray]) -> None:
    """Allow one sample of delay, because the codec keeps no phase; the look-ahead alone would be 104."""
    tokenizer = Opus(name="opus_6k")
    for wav in real_speech:
        _, decoded = roundtrip(tokenizer, wav)
        assert abs(lag(wav, decoded)) <= 1
        assert np.corrcoef(wav, decoded)[0, 1] > 0.2


@pytest.mark.parametrize("bitrate", [6_000, 9_200, 16_000])
def test_packets_are_of_one_size(voice: Voice, bitrate: int) -> None:
    tokenizer = Opus(name="opus", bitrate=bitrate)
    codes, _ = roundtrip(tokenizer, voice(32_000))
    packet_bytes = bitrate // 50 // 8
    assert codes.shape[:2] == (1, packet_bytes)
    assert tokenizer.spec.bitrate == bitrate
    assert tokenizer.spec.codebook_sizes == (256,) * packet_bytes
    assert len(codes.unique()) > 100


def test_more_bits_describe_speech_better(voice: Voice) -> None:
    wav = voice(48_000)
    match = [
        np.corrcoef(wav, roundtrip(Opus(name="o", bitrate=rate), wav)[1])[0, 1] for rate in (6_000, 24_000)
    ]
    assert match[1] > max(match[0] + 0.2, 0.8)


@pytest.mark.parametrize("samples", [16_000, 16_216, 16_217, 16_300])
def test_the_end_is_not_lost(voice: Voice, samples: int) -> None:
    """Check 16 216 samples, which with the look-ahead of 104 fill 51 packets exactly."""
    wav = voice(samples, 3)
    tone = 0.3 * np.sin(2 * np.pi * 440 * np.arange(800) / 16_000)
    wav[-800:] = tone
    codes, decoded = roundtrip(Opus(name="o", bitrate=24_000), wav)
    assert codes.shape[2] == -(-(samples + 104) // 320)
    assert np.corrcoef(wav[-160:], decoded[-160:])[0, 1] > 0.9


@pytest.mark.parametrize("bitrate", [6_100, 4_000, 300_000])
def test_impossible_rates_are_refused(bitrate: int) -> None:
    with pytest.raises(UserError, match=rf"multiple of 400 from 6000 to 256000, not {bitrate}"):
        Opus(name="o", bitrate=bitrate)
