"""Tests of the WavLM-large speaker verification model, on narrow random weights in the published layout.

The other computation has torchaudio's WavLM, which was written apart from transformers', and a head of NumPy.
"""

import hashlib
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.special import expit, softmax
from torchaudio.models import wavlm_large, wavlm_model
from transformers import WavLMConfig, WavLMModel

from benchmark.data.audio import AudioError
from benchmark.errors import UserError
from benchmark.extractors.encoders.wavlm import LARGE
from benchmark.extractors.encoders.wavlm_original import NAMES
from benchmark.extractors.speaker.wavlm_ecapa import WavlmEcapa
from benchmark.metrics.signal_pair import Pair
from benchmark.metrics.speaker import PreservedSimilarity
from benchmark.storage.weights import renamed

FILE = "wavlm_large_finetune.pth"
TENSORS = 711
"""Tensors in the published file, by the card of its copy on the hub."""
CONVS = [(12, 10, 5)] + [(12, 3, 2)] * 4 + [(12, 2, 2)] * 2
State = dict[str, torch.Tensor]
AUTHORS = {
    r"\.conv_layers\.(\d+)\.conv\.": r".conv_layers.\1.0.",
    r"\.conv_layers\.(\d+)\.layer_norm\.": r".conv_layers.\1.2.1.",
    r"encoder\.feature_projection\.layer_norm": "layer_norm",
    r"encoder\.feature_projection\.projection": "post_extract_proj",
    r"encoder\.transformer\.": "encoder.",
    r"pos_conv_embed\.conv\.parametrizations\.weight\.original0": "pos_conv.0.weight_g",
    r"pos_conv_embed\.conv\.parametrizations\.weight\.original1": "pos_conv.0.weight_v",
    r"pos_conv_embed\.conv\.": "pos_conv.0.",
    r"(layers\.\d+)\.layer_norm": r"\1.self_attn_layer_norm",
    r"feed_forward\.intermediate_dense": "fc1",
    r"feed_forward\.output_dense": "fc2",
    r"attention\.attention\.": "self_attn.",
    r"attention\.gru_rel_pos_linear": "self_attn.grep_linear",
    r"attention\.gru_rel_pos_const": "self_attn.grep_a",
    r"attention\.rel_attn_embed": "self_attn.relative_attention_bias",
}
"""Patterns in torchaudio's names of weights, and what the authors' code has in their place."""


def of_authors(state: State) -> State:
    """Return torchaudio's weights in the layout of the authors' code."""
    found = {"mask_emb": torch.zeros_like(state["encoder.transformer.layer_norm.weight"])}
    for name, tensor in state.items():
        for pattern, other in AUTHORS.items():
            name = re.sub(pattern, other, name)
        if "in_proj_" in name:
            for letter, part in zip("qkv", tensor.chunk(3), strict=True):
                found[name.replace("in_proj_", f"{letter}_proj.")] = part
        else:
            found[name] = tensor
    return found


def head_shapes(
    features: int, layers: int, channels: int, pooled: int, bottleneck: int
) -> dict[str, tuple[int, ...]]:
    """Return the shapes of the head's weights by their published names."""

    def norm(name: str, size: int) -> dict[str, tuple[int, ...]]:
        sized = {f"{name}.{part}": (size,) for part in ("weight", "bias", "running_mean", "running_var")}
        return sized | {f"{name}.num_batches_tracked": ()}

    def linear(name: str, *shape: int) -> dict[str, tuple[int, ...]]:
        return {f"{name}.weight": shape, f"{name}.bias": shape[:1]}

    def conv(name: str, *shape: int) -> dict[str, tuple[int, ...]]:
        return linear(f"{name}.conv", *shape) | norm(f"{name}.bn", shape[0])

    shapes = {"feature_weight": (layers + 1,), "loss_calculator.projection.weight": (99, 256)}
    shapes |= conv("layer1", channels, features, 5)
    for layer in (2, 3, 4):
        shapes |= conv(f"layer{layer}.Conv1dReluBn1", channels, channels, 1)
        shapes |= conv(f"layer{layer}.Conv1dReluBn2", channels, channels, 1)
        for group in range(7):
            width = channels // 8
            shapes |= linear(f"layer{layer}.Res2Conv1dReluBn.convs.{group}", width, width, 3)
            shapes |= norm(f"layer{layer}.Res2Conv1dReluBn.bns.{group}", width)
        shapes |= linear(f"layer{layer}.SE_Connect.linear1", bottleneck, channels)
        shapes |= linear(f"layer{layer}.SE_Connect.linear2", channels, bottleneck)
    shapes |= linear("conv", pooled, 3 * channels, 1)
    shapes |= linear("pooling.linear1", bottleneck, pooled, 1)
    shapes |= linear("pooling.linear2", pooled, bottleneck, 1)
    return shapes | norm("bn", 2 * pooled) | linear("linear", 256, 2 * pooled)


@pytest.fixture(scope="module")
def network() -> torch.nn.Module:
    """torchaudio's WavLM in the large form, three narrow layers with random weights."""
    torch.manual_seed(0)
    model = wavlm_model(
        extractor_mode="layer_norm", extractor_conv_layer_config=CONVS, extractor_conv_bias=False,
        encoder_embed_dim=32, encoder_projection_dropout=0.1, encoder_pos_conv_kernel=16,
        encoder_pos_conv_groups=4, encoder_num_layers=3, encoder_num_heads=4, encoder_num_buckets=20,
        encoder_max_distance=800, encoder_attention_dropout=0.1, encoder_ff_interm_features=48,
        encoder_ff_interm_dropout=0.0, encoder_dropout=0.1, encoder_layer_norm_first=True,
        encoder_layer_drop=0.1, aux_num_out=None,
    ).eval()  # fmt: skip
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(0.2 * torch.randn_like(weight))
    return model


@pytest.fixture(scope="module")
def state(network: torch.nn.Module) -> State:
    """Weights of the whole model in the published layout."""
    generator = torch.Generator().manual_seed(1)
    head = {
        name: 0.3 * torch.randn(shape, generator=generator) if shape else torch.tensor(7)
        for name, shape in head_shapes(32, 3, channels=16, pooled=20, bottleneck=6).items()
    }
    for name in head:
        if name.endswith("running_var"):
            head[name] = head[name].abs() + 0.5
    wavlm = of_authors(network.state_dict())
    return {f"feature_extract.model.{name}": tensor for name, tensor in wavlm.items()} | head


def save(state: State, folder: Path) -> WavlmEcapa:
    torch.save({"model": state, "epoch": 5}, folder / FILE)
    return WavlmEcapa(checkpoint=str(folder))


@torch.no_grad()
def features(network: torch.nn.Module, wav: np.ndarray) -> list[np.ndarray]:
    """Compute the inputs of WavLM's layers and its output (T, D) by torchaudio."""
    clip = torch.from_numpy(wav).double()
    clip = (clip - clip.mean()) / (clip.var(correction=0) + 1e-5).sqrt()
    x, _ = network.feature_extractor(clip.float()[None], None)
    transformer = network.encoder.transformer
    x, bias = transformer._preprocess(network.encoder.feature_projection(x)), None
    states = []
    for layer in transformer.layers:
        states.append(x)
        x, bias = layer(x, None, position_bias=bias)
    return [state[0].numpy().astype(np.float64) for state in (*states, transformer.layer_norm(x))]


class Head:
    """The head in NumPy, frame by frame where it can be; arrays are (D, T)."""

    def __init__(self, state: State) -> None:
        self.w = {name: tensor.double().numpy() for name, tensor in state.items()}

    def conv(self, name: str, x: np.ndarray, dilation: int = 1) -> np.ndarray:
        weight, bias = self.w[f"{name}.weight"], self.w[f"{name}.bias"]
        reach = dilation * (weight.shape[2] // 2)
        padded = np.pad(x, ((0, 0), (reach, reach)))
        taps = [padded[:, tap * dilation : tap * dilation + x.shape[1]] for tap in range(weight.shape[2])]
        return sum(weight[:, :, tap] @ part for tap, part in enumerate(taps)) + bias[:, None]

    def norm(self, name: str, x: np.ndarray) -> np.ndarray:
        mean, var, gain, bias = (
            self.w[f"{name}.{part}"][:, None] for part in ("running_mean", "running_var", "weight", "bias")
        )
        return (x - mean) / np.sqrt(var + 1e-5) * gain + bias

    def block(self, name: str, x: np.ndarray, dilation: int) -> np.ndarray:
        def pointwise(part: str, x: np.ndarray) -> np.ndarray:
            return self.norm(f"{name}.{part}.bn", np.maximum(self.conv(f"{name}.{part}.conv", x), 0))

        groups = np.split(pointwise("Conv1dReluBn1", x), 8)
        inner, before = f"{name}.Res2Conv1dReluBn", 0.0
        for at in range(7):
            made = self.conv(f"{inner}.convs.{at}", groups[at] + before, dilation)
            before = groups[at] = self.norm(f"{inner}.bns.{at}", np.maximum(made, 0))
        out = pointwise("Conv1dReluBn2", np.concatenate(groups))
        w = {part: self.w[f"{name}.SE_Connect.{part}"] for part in
             ("linear1.weight", "linear1.bias", "linear2.weight", "linear2.bias")}  # fmt: skip
        gate = np.maximum(w["linear1.weight"] @ out.mean(1) + w["linear1.bias"], 0)
        gate = expit(w["linear2.weight"] @ gate + w["linear2.bias"])
        return x + out * gate[:, None]

    def __call__(self, states: list[np.ndarray]) -> np.ndarray:
        shares = softmax(self.w["feature_weight"])
        x = sum(share * state for share, state in zip(shares, states, strict=True)).T
        x = (x - x.mean(1, keepdims=True)) / np.sqrt(x.var(1, keepdims=True) + 1e-5)
        first = self.norm("layer1.bn", np.maximum(self.conv("layer1.conv", x), 0))
        second = self.block("layer2", first, 2)
        third = self.block("layer3", second, 3)
        fourth = self.block("layer4", third, 4)
        x = np.maximum(self.conv("conv", np.concatenate((second, third, fourth))), 0)
        share = softmax(self.conv("pooling.linear2", np.tanh(self.conv("pooling.linear1", x))), axis=1)
        mean = (share * x).sum(1)
        deviation = np.sqrt(np.maximum((share * (x - mean[:, None]) ** 2).sum(1), 1e-9))
        pooled = self.norm("bn", np.concatenate((mean, deviation))[:, None])[:, 0]
        return self.w["linear.weight"] @ pooled + self.w["linear.bias"]


def test_is_another_computation_of_the_same_weights(
    network: torch.nn.Module, state: State, tmp_path: Path, noise: np.ndarray
) -> None:
    encoder = save(state, tmp_path)
    wavs = [0.1 * noise[:20_000] + 0.01, 0.02 * noise[5_000:38_000], 0.3 * noise[:1600]]
    expected = [Head(state)(features(network, wav)) for wav in wavs]
    embed = encoder.load("cpu")
    found = [np.asarray(vector) for vector in embed([wav.astype(np.float32) for wav in wavs])]
    for mine, theirs in zip(found, expected, strict=True):
        assert mine.shape == (1, 256)
        np.testing.assert_allclose(mine[0], theirs, atol=2e-4 * np.abs(theirs).max())
    assert np.abs(expected[0] - expected[1]).max() > 0.1  # it hears which clip it is
    np.testing.assert_array_equal(embed([wavs[1].astype(np.float32)])[0], found[1])
    metric = PreservedSimilarity(label="SIM", encoder=encoder)
    given = {("decoded", encoder.key): found[0], ("reference", encoder.key): found[1]}
    cosine = expected[0] @ expected[1] / np.linalg.norm(expected[0]) / np.linalg.norm(expected[1])
    assert metric.score(Pair("a", wavs[1], wavs[0], given=given)) == pytest.approx(cosine, abs=1e-3)


def test_silence_and_short_clips_have_no_voice(state: State, tmp_path: Path, noise: np.ndarray) -> None:
    found = save(state, tmp_path).load("cpu")([np.zeros(16_000, np.float32), noise[:1599]])
    for value, reason in zip(found, ("digital silence", "at least 0.1 s"), strict=True):
        assert isinstance(value, AudioError) and reason in str(value)


def test_the_published_file_has_the_tensors_that_are_read() -> None:
    with torch.device("meta"):
        published = of_authors(wavlm_large().state_dict())
        ours = WavLMModel(WavLMConfig(**LARGE)).state_dict()
    head = head_shapes(1024, 24, channels=512, pooled=1536, bottleneck=128)
    assert len(published) + len(head) == TENSORS
    assert {name: tensor.shape for name, tensor in renamed(published, NAMES).items()} == {
        name: tensor.shape for name, tensor in ours.items()
    }


@pytest.mark.parametrize(
    ("name", "tensor", "words"),
    [
        ("layer3.Conv1dReluBn1.conv.bias", None, r"fit EcapaTdnn: .*layer3\.Conv1dReluBn1\.conv\.bias"),
        ("feature_extract.model.encoder.layers.1.fc1.bias", None, "does not fit WavLMModel"),
        ("feature_extract.model.post_extract_proj.weight", None, r"no speaker .*post_extract_proj"),
        ("feature_weight", torch.zeros(25), "25 layer weights for 4 layers"),
        ("layer5.conv.weight", torch.zeros(1), "does not fit EcapaTdnn"),
        ("linear.weight", torch.zeros(9, 40), "does not fit EcapaTdnn"),
    ],
)  # fmt: skip
def test_other_weights_are_refused(
    state: State, tmp_path: Path, name: str, tensor: torch.Tensor | None, words: str
) -> None:
    other = {key: value for key, value in state.items() if key != name}
    encoder = save(other if tensor is None else other | {name: tensor}, tmp_path)
    with pytest.raises(UserError, match=words):
        encoder.load("cpu")


def test_a_file_with_another_digest_is_refused(state: State, tmp_path: Path) -> None:
    encoder = save(state, tmp_path)
    digest = hashlib.sha256((tmp_path / FILE).read_bytes()).hexdigest()
    right, wrong = replace(encoder, sha256=digest), replace(encoder, sha256=64 * "0")
    assert right.key == wrong.key == encoder.key
    right.load("cpu")
    with pytest.raises(UserError, match=f"has sha256 {digest}, not 0000.*fetch the file again"):
        wrong.load("cpu")


def test_a_file_with_code_or_without_a_model_is_refused(state: State, tmp_path: Path) -> None:
    encoder = save(state, tmp_path)
    narrow = {"linear.weight": torch.zeros(9, 40), "linear.bias": torch.zeros(9)}
    for content, words in (
        ({"model": Path("/")}, "cannot be loaded safely"),
        ({"state": state}, "is no speaker verification model of UniSpeech: 'model'"),
        ({"model": state | narrow}, "gives vectors of 9 numbers, not 256"),
    ):
        torch.save(content, tmp_path / FILE)
        with pytest.raises(UserError, match=words):
            encoder.load("cpu")
    assert "wavlm_large_finetune" not in encoder.name
