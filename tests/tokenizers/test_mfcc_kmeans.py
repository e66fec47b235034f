from collections.abc import Callable

import numpy as np
import torch
from scipy.fft import dct

from benchmark.data.mel import LogMel
from benchmark.tokenizers.log_mel import hop_centred_log_mel
from benchmark.tokenizers.mfcc_kmeans import HOP, MfccKmeans

Voice = Callable[..., np.ndarray]


def slopes(frames: np.ndarray) -> np.ndarray:
    """Compute the least-squares slope over five frames, with the ends repeated."""
    padded = np.pad(frames, ((2, 2), (0, 0)), mode="edge")
    steps = range(-2, 3)
    return sum(n * padded[2 + n : 2 + n + len(frames)] for n in steps) / sum(n * n for n in steps)


def test_features_are_cepstrum_and_its_differences(voice: Voice) -> None:
    wav = voice(30 * HOP)
    features, frames = MfccKmeans(name="m").features(torch.from_numpy(wav)[None], torch.tensor([len(wav)]))
    analysis = LogMel(n_fft=512, hop_length=HOP, win_length=400, n_mels=40, f_min=20.0, center=False)
    mel = hop_centred_log_mel(analysis, torch.from_numpy(wav)[None])[0].numpy()
    cepstrum = dct(mel, norm="ortho")[:, :13]
    expected = np.concatenate([cepstrum, slopes(cepstrum), slopes(slopes(cepstrum))], 1)
    assert frames.tolist() == [30]
    np.testing.assert_allclose(features[0], expected, atol=1e-3)


def test_the_last_frames_do_not_see_the_batch(voice: Voice) -> None:
    short, long = voice(9 * HOP - 5, 1), voice(20 * HOP, 2)
    batch = torch.zeros(2, 20 * HOP)
    batch[0, : len(short)], batch[1] = torch.from_numpy(short), torch.from_numpy(long)
    tokenizer = MfccKmeans(name="m")
    together, frames = tokenizer.features(batch, torch.tensor([len(short), len(long)]))
    alone, _ = tokenizer.features(batch[:1, : 9 * HOP], torch.tensor([len(short)]))
    assert frames.tolist() == [9, 20]
    torch.testing.assert_close(together[0, :9], alone[0])
