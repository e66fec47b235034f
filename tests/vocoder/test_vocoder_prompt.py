"""Prompt features and prenets."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from transformers import Wav2Vec2FeatureExtractor, WavLMModel

from benchmark.errors import UserError
from benchmark.vocoder.attention import frame_mask
from benchmark.vocoder.config import PromptConfig
from benchmark.vocoder.mel import NormalisedMel
from benchmark.vocoder.prenet import MaskedGroupNorm, build_prenet
from benchmark.vocoder.prompt import build_prompt

LENGTHS = torch.tensor([16_000, 9_600])


@pytest.fixture
def wavs() -> torch.Tensor:
    wavs = 0.1 * torch.randn(2, 16_000, generator=torch.Generator().manual_seed(0))
    return wavs * frame_mask(LENGTHS, 16_000)


@pytest.mark.parametrize("hop", [160, 320])
def test_mel_prompt_of_a_batch_equals_singles(wavs: torch.Tensor, hop: int) -> None:
    extract = build_prompt(PromptConfig(features="mel"), NormalisedMel(hop))
    features, frames = extract(wavs, LENGTHS)
    assert frames.tolist() == [16_000 // hop, 9_600 // hop]
    alone, _ = extract(wavs[1:, :9_600], LENGTHS[1:])
    torch.testing.assert_close(features[1, : frames[1]], alone[0])


def test_mel_statistics_normalise_the_corpus_they_come_from(wavs: torch.Tensor) -> None:
    mel = NormalisedMel(320)
    mel.fit([wavs[0], wavs[1, :9_600]])
    frames = torch.cat(
        [(mel.log_mel(w[None])[0] - mel.mean) / mel.std for w in (wavs[0], wavs[1, :9_600])], 1
    )
    torch.testing.assert_close(frames.mean(dim=1), torch.zeros(80), atol=1e-4, rtol=0)
    torch.testing.assert_close(frames.std(dim=1, correction=0), torch.ones(80), atol=1e-3, rtol=0)


@pytest.mark.parametrize("norm", ["layer", "group"])
def test_wavlm_prompt_is_the_hidden_state_of_each_utterance_alone(
    wavs: torch.Tensor, wavlm_folder: Path, tmp_path: Path, norm: str
) -> None:
    wavlm = WavLMModel.from_pretrained(wavlm_folder)
    wavlm.config.feat_extract_norm = norm
    WavLMModel(wavlm.config).save_pretrained(tmp_path)
    extractor = Wav2Vec2FeatureExtractor.from_pretrained(wavlm_folder)
    extractor.save_pretrained(tmp_path)
    model = WavLMModel.from_pretrained(tmp_path).eval()

    extract = build_prompt(PromptConfig(checkpoint=str(tmp_path), layer=2), NormalisedMel(320))
    features, frames = extract(wavs, LENGTHS)
    assert extract.features == 32
    for row, (wav, length) in enumerate(zip(wavs, LENGTHS, strict=True)):
        inputs = extractor(wav[:length].numpy(), sampling_rate=16_000, return_tensors="pt").input_values
        with torch.no_grad():
            expected = model(inputs, output_hidden_states=True).hidden_states[2][0]
        assert frames[row] == len(expected)
        torch.testing.assert_close(features[row, : frames[row]], expected, atol=1e-4, rtol=1e-4)


def test_bad_wavlm_settings_are_user_errors(wavlm_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    config = PromptConfig(checkpoint=str(wavlm_folder), layer=4)
    with pytest.raises(UserError, match="layers 0 to 3"):
        build_prompt(config, NormalisedMel(320))
    with pytest.raises(UserError, match="holds no WavLM"):
        build_prompt(replace(config, checkpoint=str(tmp_path)), NormalisedMel(320))


def test_masked_group_norm_is_group_norm_of_the_valid_frames() -> None:
    torch.manual_seed(0)
    ours, native, x = MaskedGroupNorm(6), torch.nn.GroupNorm(1, 6), torch.randn(2, 9, 6)
    with torch.no_grad():
        ours.weight.uniform_(0.5, 2)
        ours.bias.normal_()
    native.load_state_dict(ours.state_dict())
    got = ours(x, frame_mask(torch.tensor([9, 4]), 9)[..., None])
    torch.testing.assert_close(got[:1], native(x[:1].transpose(1, 2)).transpose(1, 2))
    torch.testing.assert_close(got[1:, :4], native(x[1:, :4].transpose(1, 2)).transpose(1, 2))


@pytest.mark.parametrize("prenet", ["stack", "single"])
def test_prenet_of_a_batch_equals_singles(prenet: str) -> None:
    torch.manual_seed(0)
    net = build_prenet(PromptConfig(prenet=prenet), 8, 6).eval()
    x = torch.randn(2, 20, 8)  # what lies beyond the mask is arbitrary
    batch = net(x, frame_mask(torch.tensor([20, 11]), 20))
    alone = net(x[1:, :11], frame_mask(torch.tensor([11]), 11))
    assert batch.shape == (2, 20, 6)
    torch.testing.assert_close(batch[1, :11], alone[0], atol=1e-5, rtol=1e-5)
