import librosa
import numpy as np
import pytest
import torch

from benchmark.data.mel import LogMel

WAV = (0.1 * np.random.default_rng(0).standard_normal(16_013)).astype(np.float32)


def log_mel(module: LogMel, wav: np.ndarray) -> np.ndarray:
    return module(torch.from_numpy(wav)[None])[0].numpy()


@pytest.mark.parametrize(
    ("n_fft", "hop", "win", "n_mels", "f_min", "f_max"),
    [(1024, 256, 1024, 80, 0.0, 8000.0), (512, 160, 400, 40, 50.0, 7600.0)],
)
def test_matches_librosa(n_fft: int, hop: int, win: int, n_mels: int, f_min: float, f_max: float) -> None:
    magnitude = np.abs(librosa.stft(WAV, n_fft=n_fft, hop_length=hop, win_length=win, pad_mode="reflect"))
    bands = librosa.filters.mel(sr=16_000, n_fft=n_fft, n_mels=n_mels, fmin=f_min, fmax=f_max)
    expected = np.log(np.maximum(bands @ magnitude, 1e-5))
    found = log_mel(LogMel(n_fft, hop, win, n_mels, f_min, f_max), WAV)
    assert found.shape == (n_mels, len(WAV) // hop + 1)
    np.testing.assert_allclose(found, expected, atol=1e-4)
    decimal = log_mel(LogMel(n_fft, hop, win, n_mels, f_min, f_max, log="log10"), WAV)
    np.testing.assert_allclose(decimal, expected / np.log(10), atol=1e-4)


@pytest.mark.parametrize("samples", [256, 300, 1024, 16_000, 16_255])
def test_frames_without_centring_are_whole_hops(samples: int) -> None:
    frames = LogMel(1024, 256, center=False)(torch.zeros(2, samples))
    assert frames.shape == (2, 80, samples // 256)


def test_uncentred_frames_lie_in_the_middle_of_their_hops() -> None:
    wav = np.zeros(2560, np.float32)
    wav[5 * 256 + 128] = 1.0
    energy = log_mel(LogMel(512, 256, center=False), wav).mean(axis=0)
    assert energy.argmax() == 5
    assert energy[4] == pytest.approx(energy[6], abs=0.05)


def test_floor_and_clips_too_short_to_reflect() -> None:
    silent = LogMel(floor=1e-3)(torch.zeros(1, 4000))
    torch.testing.assert_close(silent, torch.full_like(silent, float(np.log(1e-3))))
    assert LogMel()(torch.ones(1, 300)).shape == (1, 80, 2)


def test_gradient_reaches_the_wave_and_is_finite_in_silence() -> None:
    wav = torch.cat((torch.zeros(1, 4000), torch.from_numpy(WAV[None, :4000])), 1).requires_grad_()
    LogMel()(wav).sum().backward()
    assert wav.grad is not None and wav.grad.isfinite().all()
    assert wav.grad[0, 5000:].abs().min() >= 0 and wav.grad[0, 5000:].any()


def test_holds_no_parameters_and_adds_nothing_to_checkpoints() -> None:
    module = LogMel()
    assert not list(module.parameters()) and not module.state_dict()
    assert {name for name, _ in module.named_buffers()} == {"window", "filterbank"}


@pytest.mark.parametrize(
    "arguments",
    [{"log": "log2"}, {"f_max": 9000.0}, {"f_min": 8000.0}, {"n_fft": 1023, "center": False}],
)
def test_wrong_arguments(arguments: dict) -> None:
    with pytest.raises(ValueError):
        LogMel(**arguments)
