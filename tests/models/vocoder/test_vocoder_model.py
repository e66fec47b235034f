"""The whole model: padding, gradients, prompt, vectors."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch

from benchmark.models.vocoder.attention import frame_mask
from benchmark.models.vocoder.config import HiFiGANConfig, PromptConfig, VocoderConfig
from benchmark.models.vocoder.conformer import FrameBatchNorm
from benchmark.models.vocoder.frame_rates import FrameRates
from benchmark.models.vocoder.frontend import TokenVectors
from benchmark.models.vocoder.model import CTXVec2Wav

MakeConfig = Callable[..., VocoderConfig]
SIZES = (24, 24)
LENGTHS, PROMPT_LENGTHS = torch.tensor([21, 12]), torch.tensor([4000, 9000])


def _inputs() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    codes = torch.randint(24, (2, 2, 21), generator=generator)
    prompt = 0.1 * torch.randn(2, 9000, generator=generator)
    prompt[0, 4000:] = 0
    return codes, LENGTHS, prompt, PROMPT_LENGTHS


def _model(config: VocoderConfig, vectors: torch.Tensor | None = None) -> CTXVec2Wav:
    torch.manual_seed(0)
    model = CTXVec2Wav(config, FrameRates(50), SIZES, vectors)
    for name, parameter in model.generator.named_parameters():
        if name.endswith("original0"):  # HiFi-GAN starts near silence, which would hide errors
            parameter.data.fill_(1.5)
    return model


@pytest.mark.parametrize("prenet", ["single", "stack"])
@pytest.mark.parametrize("generator", ["istft", "hifigan"])
def test_batch_of_two_equals_two_singles(
    make_config: MakeConfig, small_hifigan: HiFiGANConfig, prenet: str, generator: str
) -> None:
    config = make_config(prompt=PromptConfig(features="mel", prenet=prenet))
    model = _model(replace(config, generator=small_hifigan) if generator == "hifigan" else config).eval()
    codes, lengths, prompt, prompt_lengths = _inputs()
    wav, mel = model(codes, lengths, prompt, prompt_lengths)
    assert wav.shape == (2, 21 * 320) and mel.shape == (2, 21, 80) and wav.std(dim=1).min() > 1e-3
    for row, (frames, samples) in enumerate(zip(lengths, prompt_lengths, strict=True)):
        alone_wav, alone_mel = model(
            codes[row : row + 1, :, :frames],
            lengths[row : row + 1],
            prompt[row : row + 1, :samples],
            prompt_lengths[row : row + 1],
        )
        torch.testing.assert_close(wav[row, : frames * 320], alone_wav[0], atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(mel[row, :frames], alone_mel[0], atol=1e-4, rtol=1e-4)


def test_gradient_reaches_every_parameter(make_config: MakeConfig, small_hifigan: HiFiGANConfig) -> None:
    for generator in (make_config().generator, small_hifigan):
        model = _model(make_config(generator=generator, prompt=PromptConfig(features="mel", prenet="stack")))
        wav, mel = model(*_inputs())
        (wav.square().mean() + mel.square().mean()).backward()
        for name, parameter in model.named_parameters():
            assert parameter.grad is not None and torch.isfinite(parameter.grad).all(), name
            # A bias of the keys shifts all scores of a query alike, which the softmax undoes.
            assert parameter.grad.any() or name.endswith("key.bias"), name


def test_batch_norm_counts_valid_frames_alone() -> None:
    torch.manual_seed(0)
    ours, native = FrameBatchNorm(6), torch.nn.BatchNorm1d(6)
    with torch.no_grad():
        ours.weight.uniform_(0.5, 2)
        ours.bias.normal_()
    native.load_state_dict(ours.state_dict(), strict=False)
    x, mask = 3 * torch.randn(2, 9, 6) + 1, frame_mask(torch.tensor([9, 4]), 9)
    for _ in range(3):  # the running statistics move with every batch
        torch.testing.assert_close(ours(x, mask[..., None])[mask], native(x[mask]))
    torch.testing.assert_close(ours.running_mean, native.running_mean)
    torch.testing.assert_close(ours.running_var, native.running_var)
    alone = ours.eval()(x[1:, :4], mask[1:, :4, None])
    torch.testing.assert_close(ours(x, mask[..., None])[1:, :4], alone)
    torch.testing.assert_close(alone[0], native.eval()(x[1, :4]))


def test_more_padding_changes_neither_training_nor_its_statistics(make_config: MakeConfig) -> None:
    frontend = replace(make_config().frontend, conv_norm="batch", dropout=0.0)
    one, other = (_model(make_config(frontend=frontend)) for _ in range(2))
    codes, lengths, prompt, prompt_lengths = _inputs()
    hidden = one.encode(codes, lengths, prompt, prompt_lengths).hidden
    longer = other.encode(torch.nn.functional.pad(codes, (0, 30)), lengths, prompt, prompt_lengths).hidden
    torch.testing.assert_close(hidden, longer[:, :21], atol=1e-4, rtol=1e-4)
    statistics = {name: buffer for name, buffer in one.named_buffers() if "running" in name}
    assert (
        len(statistics) == 4 and statistics["frontend.encoder1.blocks.0.convolution.norm.running_mean"].any()
    )
    for name, buffer in statistics.items():
        torch.testing.assert_close(buffer, other.get_buffer(name), atol=1e-5, rtol=1e-4)


def test_style_is_the_mean_of_the_valid_prompt_features(make_config: MakeConfig) -> None:
    model = _model(make_config()).eval()
    codes, lengths, prompt, prompt_lengths = _inputs()
    features, frames = model.prompt(prompt, prompt_lengths)
    encoded = model.encode(codes, lengths, prompt, prompt_lengths)
    expected = torch.stack([row[:count].mean(dim=0) for row, count in zip(features, frames, strict=True)])
    torch.testing.assert_close(encoded.style, expected)
    kept = model.encode(
        codes, lengths, features + 9 * ~frame_mask(frames, features.shape[1])[..., None], frames
    )
    torch.testing.assert_close(kept.style, expected)
    torch.testing.assert_close(kept.hidden, encoded.hidden)


def test_the_prompt_and_not_its_order_after_the_prenet_matters(make_config: MakeConfig) -> None:
    model = _model(make_config()).eval()
    codes, lengths, prompt, prompt_lengths = _inputs()
    features, frames = model.prompt(prompt[1:], prompt_lengths[1:])
    memory = model.prenet(features, torch.ones(1, int(frames), dtype=torch.bool))
    mask = torch.ones(1, memory.shape[1], dtype=torch.bool)

    def hidden(memory: torch.Tensor) -> torch.Tensor:
        return model.frontend(codes[1:], lengths[1:], memory, mask)[0]

    shuffled = memory[:, torch.randperm(memory.shape[1], generator=torch.Generator().manual_seed(1))]
    torch.testing.assert_close(hidden(memory), hidden(shuffled), atol=1e-5, rtol=1e-5)
    assert (hidden(memory) - hidden(memory.roll(1, dims=2))).abs().max() > 1e-2


def test_vectors_are_looked_up_centred_and_scaled_by_one_number() -> None:
    raw = (
        torch.randn(2, 5, 3, generator=torch.Generator().manual_seed(0))
        * torch.tensor([4.0, 1.0])[:, None, None]
    )
    tokens = TokenVectors((5, 5), 8, raw + 7)
    assert tokens.dim == 6 and not list(tokens.parameters()) and not tokens.state_dict()
    out = tokens(torch.tensor([[[0, 4, 4], [1, 2, 3]]]))
    centred = raw - raw.mean(dim=1, keepdim=True)
    expected = torch.cat([centred[0, [0, 4, 4]], centred[1, [1, 2, 3]]], dim=1) / centred.std()
    torch.testing.assert_close(out[0], expected)


def test_without_vectors_a_table_is_learned() -> None:
    tokens = TokenVectors((5, 9), 8, None)
    assert tokens.dim == 16 and [p.shape for p in tokens.parameters()] == [(2, 9, 8)]


def test_vectors_must_match_the_codebooks() -> None:
    with pytest.raises(ValueError, match="3 codebooks"):
        TokenVectors((5, 5, 5), 8, torch.zeros(2, 5, 3))
