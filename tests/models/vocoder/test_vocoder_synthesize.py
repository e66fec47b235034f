"""Synthesis by a vocoder loaded from its training folder."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from benchmark.models.vocoder.config import HiFiGANConfig, VocoderConfig
from benchmark.models.vocoder.frame_rates import FrameRates
from benchmark.models.vocoder.model import CTXVec2Wav
from benchmark.models.vocoder.synthesize import Vocoder
from benchmark.types import TokenizerSpec

MakeConfig = Callable[..., VocoderConfig]


def _spec(frame_rate: float) -> TokenizerSpec:
    return TokenizerSpec("toy", "acoustic", 16_000, frame_rate, (24, 24), False, False, True)


def _saved(config: VocoderConfig, frame_rate: float, folder: Path) -> Vocoder:
    """Save a vocoder with random weights in the file that training writes, and load it."""
    torch.manual_seed(0)
    model = CTXVec2Wav(config, FrameRates(frame_rate), (24, 24), None)
    save_file(model.state_dict(), folder / "model.safetensors")
    torch.manual_seed(1)
    return Vocoder.load(folder, _spec(frame_rate), None, config, "cpu")


def _inputs(frame_rate: float, seconds: tuple[float, ...]) -> tuple[list[np.ndarray], list[np.ndarray]]:
    rng = np.random.default_rng(0)
    codes = [rng.integers(24, size=(2, round(s * frame_rate))) for s in seconds]
    prompts = [0.1 * rng.standard_normal(n).astype(np.float32) for n in (9000, 5000, 12_345)]
    return codes, prompts[: len(seconds)]


@pytest.mark.parametrize("generator", ["istft", "hifigan"])
@pytest.mark.parametrize("frame_rate", [12.5, 25, 50, 75, 80, 100])
def test_every_rate_gives_the_asked_length(
    make_config: MakeConfig, small_hifigan: HiFiGANConfig, tmp_path: Path, frame_rate: float, generator: str
) -> None:
    config = make_config(generator=small_hifigan) if generator == "hifigan" else make_config()
    vocoder = _saved(config, frame_rate, tmp_path)
    codes, prompts = _inputs(frame_rate, (0.4, 0.4))
    whole, trimmed = vocoder.synthesize(codes, prompts, [6400, 6399])
    assert (whole.dtype, whole.shape, trimmed.shape) == (np.float32, (6400,), (6399,))
    assert np.isfinite(whole).all() and np.ptp(whole[-160:]) > 0
    (padded,) = vocoder.synthesize(codes[:1], prompts[:1], [7000])
    np.testing.assert_allclose(padded[:6400], whole, atol=1e-5)
    assert not padded[6400:].any()


def test_output_does_not_depend_on_batch_company(make_config: MakeConfig, tmp_path: Path) -> None:
    vocoder = _saved(make_config(), 50, tmp_path)
    codes, prompts = _inputs(50, (0.3, 0.8, 0.5))
    samples = [4800, 12_800, 8000]
    together = vocoder.synthesize(codes, prompts, samples, batch_size=3)
    alone = vocoder.synthesize(codes, prompts, samples, batch_size=1)
    for one, other in zip(together, alone, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-4)
    assert np.abs(together[1]).max() > 1e-2


def test_order_is_kept_and_weights_are_loaded(make_config: MakeConfig, tmp_path: Path) -> None:
    vocoder = _saved(make_config(), 50, tmp_path)
    codes, prompts = _inputs(50, (0.3, 0.8, 0.5))
    samples = [4800, 12_800, 8000]
    forward = vocoder.synthesize(codes, prompts, samples)
    backward = vocoder.synthesize(codes[::-1], prompts[::-1], samples[::-1])
    for one, other in zip(forward, backward[::-1], strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)
    again = Vocoder.load(tmp_path, _spec(50), None, make_config(), "cpu")
    np.testing.assert_array_equal(again.synthesize(codes, prompts, samples)[0], forward[0])


def test_the_prompt_changes_the_voice(make_config: MakeConfig, tmp_path: Path) -> None:
    vocoder = _saved(make_config(), 50, tmp_path)
    codes, prompts = _inputs(50, (0.3, 0.3))
    one, other = vocoder.synthesize([codes[0]] * 2, prompts, [4800] * 2)
    assert np.abs(one - other).max() > 1e-4


def test_nothing_to_synthesize_gives_nothing(make_config: MakeConfig, tmp_path: Path) -> None:
    assert _saved(make_config(), 50, tmp_path).synthesize([], [], []) == []


def test_long_speech_and_long_prompts_are_decoded_few_at_a_time(
    make_config: MakeConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    vocoder = _saved(make_config(), 50, tmp_path)
    codes, _ = _inputs(50, (0.4,) * 6)
    prompts = [np.full(16_000, 0.1, np.float32)] * 6
    decode, sizes = vocoder._decode, []

    def counted(codes: list[np.ndarray], prompts: list[np.ndarray]) -> list[np.ndarray]:
        sizes.append(len(codes))
        return decode(codes, prompts)

    monkeypatch.setattr(vocoder, "_decode", counted)
    for seconds in (90.0, 4.3, 0.1):
        monkeypatch.setattr("benchmark.models.vocoder.synthesize.BATCH_SECONDS", seconds)
        assert all(len(wav) == 6400 for wav in vocoder.synthesize(codes, prompts, [6400] * 6))
    # Each takes 1.4 s with its prompt: six fit at once, three fit within 4.3 s, and two are joined in any
    # case.
    assert sizes == [6, 3, 3, 2, 2, 2]
