import runpy
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn.functional import layer_norm
from transformers import HubertModel, Wav2Vec2ForPreTraining, Wav2Vec2Model, WavLMModel

from benchmark.errors import UserError
from benchmark.tokenizers.ssl_kmeans import SslKmeans
from benchmark.tokenizers.wav2vec2_vq import Wav2Vec2Vq

WEIGHTS = Path(__file__).with_name("weights")
MODELS = {"hubert": HubertModel, "wavlm": WavLMModel, "wav2vec2": Wav2Vec2Model}


def make(folder: Path, kind: type = SslKmeans, **arguments: Any) -> Any:
    if kind is SslKmeans:
        arguments = {"architecture": "hubert", "layer": 3, "normalise": True} | arguments
    tokenizer = kind(name="t", checkpoint=str(folder), **arguments)
    if not any(folder.iterdir()):
        torch.manual_seed(0)
        module = kind.__module__.rpartition(".")[2]
        runpy.run_path(str(WEIGHTS / f"{module}.py"))["write"](tokenizer, folder)
    return tokenizer


def features(tokenizer: SslKmeans, wav: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        states, frames = tokenizer.features(wav[None], torch.tensor([len(wav)]))
    return states[0, : int(frames[0])]


@pytest.mark.parametrize("architecture", MODELS)
@pytest.mark.parametrize("normalise", [False, True])
def test_the_layer_is_the_one_the_library_numbers(
    architecture, normalise, tmp_path: Path, short_speech
) -> None:
    tokenizer = make(tmp_path, architecture=architecture, normalise=normalise)
    wav = short_speech[0]
    model = MODELS[architecture].from_pretrained(tmp_path).eval()
    scaled = layer_norm(wav, wav.shape) if normalise else wav
    with torch.no_grad():
        states = model(scaled[None], output_hidden_states=True).hidden_states
    torch.testing.assert_close(features(tokenizer, wav), states[3][0], atol=1e-5, rtol=1e-4)
    assert not torch.allclose(states[3], states[4], atol=1e-2)


def test_the_last_layer_with_and_without_the_final_norm_differ(tmp_path: Path, short_speech) -> None:
    plain, normed = (make(tmp_path, layer=4, normed=normed) for normed in (False, True))
    features(make(tmp_path, layer=3), short_speech[0])
    last = HubertModel.from_pretrained(tmp_path).eval()
    wav = short_speech[0]
    scaled = layer_norm(wav, wav.shape)
    with torch.no_grad():
        reference = last(scaled[None]).last_hidden_state[0]
    assert plain.identity() != normed.identity()
    depth = last.config.num_hidden_layers
    of_last = [make(tmp_path, layer=depth, normed=normed) for normed in (False, True)]
    torch.testing.assert_close(features(of_last[1], wav), reference, atol=1e-5, rtol=1e-4)
    assert not torch.allclose(features(of_last[0], wav), reference, atol=1e-2)


@pytest.mark.parametrize(
    ("samples", "frames"), [(100, 1), (400, 1), (719, 1), (720, 2), (16_000, 49), (16_080, 50)]
)
@pytest.mark.parametrize("normalise", [False, True])
def test_frames_are_those_of_the_stem(normalise, samples, frames, tmp_path: Path, voice) -> None:
    wav = torch.from_numpy(voice(samples, 1))
    assert len(features(make(tmp_path, normalise=normalise), wav)) == frames


@pytest.mark.parametrize(
    ("arguments", "message"),
    [({"layer": 9}, "layer must be from 0 to 4, not 9"), ({"normalise": False}, "norm_of_the_stem layer")],
)
def test_a_checkpoint_that_does_not_fit_is_refused(arguments, message, tmp_path: Path, short_speech) -> None:
    make(tmp_path)
    with pytest.raises(UserError, match=message):
        features(make(tmp_path, **arguments), short_speech[0])


def test_an_unknown_architecture_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="Legal: hubert, wav2vec2, wavlm"):
        make(tmp_path, architecture="data2vec")


def test_wav2vec2_codes_are_those_its_quantizer_looks_up(tmp_path: Path, short_speech) -> None:
    tokenizer = make(tmp_path, Wav2Vec2Vq, normalise=True)
    model = Wav2Vec2ForPreTraining.from_pretrained(tmp_path).eval()
    wav = short_speech[0]
    codes, frames = tokenizer.encode(wav[None], torch.tensor([len(wav)]))
    scaled = layer_norm(wav, wav.shape)
    with torch.no_grad():
        looked_up = model.quantizer(model.wav2vec2(scaled[None]).extract_features)[0][0]
    vectors = tokenizer.codebook_vectors()
    ours = torch.cat([vectors[group][codes[0, group]] for group in range(2)], -1)
    torch.testing.assert_close(ours, looked_up)
    assert int(frames[0]) == len(looked_up)


def test_wav2vec2_without_its_training_heads_is_refused(tmp_path: Path, short_speech) -> None:
    make(tmp_path, Wav2Vec2Vq, normalise=True)
    state = torch.load(tmp_path / "pytorch_model.bin", weights_only=True)
    torch.save({k: v for k, v in state.items() if "quantizer" not in k}, tmp_path / "pytorch_model.bin")
    with pytest.raises(UserError, match="lacks weights"):
        make(tmp_path, Wav2Vec2Vq, normalise=True).encode(short_speech[0][None], torch.tensor([25_600]))
