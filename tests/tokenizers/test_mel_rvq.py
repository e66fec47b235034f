from collections.abc import Callable

import numpy as np
import pytest
import torch
import torchaudio

from benchmark.data.mel import LogMel
from benchmark.tokenizers.log_mel import hop_centred_log_mel
from benchmark.tokenizers.mel_rvq import HOP, MelRvq

Voice = Callable[..., np.ndarray]


@pytest.fixture(scope="module")
def features() -> Callable[[np.ndarray], torch.Tensor]:
    tokenizer = MelRvq(name="mel")

    def extract(wav: np.ndarray) -> torch.Tensor:
        padded = np.pad(wav, (0, -len(wav) % HOP))
        return tokenizer.features(torch.from_numpy(padded)[None], torch.tensor([len(wav)]))[0][0]

    return extract


@pytest.mark.parametrize("frame", [0, 7, 24])
def test_a_frame_is_centred_on_its_hop(features: Callable[[np.ndarray], torch.Tensor], frame: int) -> None:
    click = np.zeros(25 * HOP, np.float32)
    click[frame * HOP + HOP // 2] = 1.0
    energy = features(click).exp().sum(1)
    assert int(energy.argmax()) == frame
    if 0 < frame < 24:
        assert energy[frame - 1] == pytest.approx(float(energy[frame + 1]), rel=0.02)


def test_frames_are_the_log_mel_of_windows_over_silence(
    features: Callable[[np.ndarray], torch.Tensor], voice: Voice
) -> None:
    wav = voice(10 * HOP)
    mel = features(wav)
    assert mel.shape == (10, 80)
    framed = np.pad(wav, (512, 512)).astype(np.float64)
    window = np.zeros(1024)
    window[112:912] = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(800) / 800)
    bank = torchaudio.functional.melscale_fbanks(513, 0, 8000, 80, 16000, norm="slaney", mel_scale="slaney")
    for frame in range(10):
        start = frame * HOP + HOP // 2  # the window's middle, 512 samples in, lies on the hop's
        amplitude = np.abs(np.fft.rfft(framed[start : start + 1024] * window)) @ bank.numpy()
        np.testing.assert_allclose(mel[frame], np.log(np.maximum(amplitude, 1e-5)), atol=2e-3)


def test_padding_in_a_batch_is_the_silence_after_an_utterance(voice: Voice) -> None:
    analysis = LogMel(n_fft=1024, hop_length=HOP, win_length=800, center=False)
    wav = torch.from_numpy(voice(20 * HOP))[None]
    alone = hop_centred_log_mel(analysis, wav)
    padded = hop_centred_log_mel(analysis, torch.nn.functional.pad(wav, (0, 40 * HOP)))
    torch.testing.assert_close(padded[:, :20], alone)


def test_more_codebooks_describe_unseen_speakers_better(real_speech: list[np.ndarray]) -> None:
    *train, unseen = real_speech
    wav, samples = torch.from_numpy(unseen)[None], torch.tensor([len(unseen)])
    errors = []
    for levels in (1, 2, 4):
        tokenizer = MelRvq(name="mel", num_codebooks=levels, codebook_size=128)
        tokenizer = tokenizer.fit(train, seed=0)
        codes, frames = tokenizer.encode(wav, samples)
        books = tokenizer.codebook_vectors()
        decoded = sum(books[level][codes[0, level]] for level in range(levels))
        target = tokenizer.features(torch.nn.functional.pad(wav, (0, -len(unseen) % HOP)), samples)[0][0]
        offset = (target - target.mean(0)) / target.std(0) - (decoded - decoded.mean(0)) / decoded.std(0)
        errors.append(float(offset.square().mean()))
        assert len(decoded) == int(frames[0])
    assert errors[0] > errors[1] > errors[2]
    assert errors[2] < 0.7 * errors[0] < 0.35


def test_the_rate_is_what_the_codes_cost() -> None:
    assert MelRvq(name="mel").spec.bitrate == 4 * 8 * 50
    assert MelRvq(name="mel", num_codebooks=2, codebook_size=1024).spec.bitrate == 2 * 10 * 50
