import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import Wav2Vec2FeatureExtractor, WavLMConfig, WavLMForXVector

from benchmark.data.audio import AudioError
from benchmark.errors import UserError
from benchmark.extractors import libraries
from benchmark.extractors.speaker.encoders import Ecapa, SpeakerEncoder, WavlmXvector
from benchmark.metrics.speaker import TargetSimilarity

RECIPE = """
compute_features: !new:speechbrain.lobes.features.Fbank
  n_mels: 80
mean_var_norm: !new:speechbrain.processing.features.InputNormalization
  norm_type: sentence
  std_norm: False
embedding_model: !new:speechbrain.lobes.models.ECAPA_TDNN.ECAPA_TDNN
  input_size: 80
  channels: [1024, 1024, 1024, 1024, 3072]
  kernel_sizes: [5, 3, 3, 3, 1]
  dilations: [1, 2, 3, 4, 1]
  attention_channels: 128
  lin_neurons: 192
modules:
  compute_features: !ref <compute_features>
  mean_var_norm: !ref <mean_var_norm>
  embedding_model: !ref <embedding_model>
pretrainer: !new:speechbrain.utils.parameter_transfer.Pretrainer
  loadables:
    embedding_model: !ref <embedding_model>
  paths:
    embedding_model: FOLDER/embedding_model.ckpt
"""


@pytest.fixture(scope="module")
def wavlm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny random model with the convolutions and the width of the head of the published models."""
    folder = tmp_path_factory.mktemp("wavlm")
    torch.manual_seed(0)
    config = WavLMConfig(
        hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=48,
        conv_dim=(16,) * 7, num_conv_pos_embeddings=16, num_conv_pos_embedding_groups=2,
        tdnn_dim=(24, 24, 24, 24, 60), xvector_output_dim=512, use_weighted_layer_sum=True,
    )  # fmt: skip
    WavLMForXVector(config).save_pretrained(folder)
    Wav2Vec2FeatureExtractor(do_normalize=True, return_attention_mask=False).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def ecapa(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """SpeechBrain's network with random weights, beside a recipe like the published one."""
    pytest.importorskip("speechbrain")
    from speechbrain.lobes.models.ECAPA_TDNN import ECAPA_TDNN

    folder = tmp_path_factory.mktemp("ecapa")
    torch.manual_seed(0)
    model = ECAPA_TDNN(80, lin_neurons=192, channels=[1024, 1024, 1024, 1024, 3072])
    torch.save(model.state_dict(), folder / "embedding_model.ckpt")
    (folder / "hyperparams.yaml").write_text(RECIPE.replace("FOLDER", str(folder)))
    return folder


def check(encoder: SpeakerEncoder, expected: np.ndarray, wav: np.ndarray) -> None:
    """Check the embedding, alone and in a batch, and the reasons given for silence and other bad clips."""
    embed = encoder.load("cpu")
    found = embed([wav[:20_000], wav, np.zeros_like(wav), wav[:800], np.where(wav, np.nan, np.nan)])
    assert isinstance(found[1], np.ndarray) and found[1].shape == (1, encoder.width)
    np.testing.assert_allclose(found[1][0], expected, atol=1e-5, rtol=1e-4)
    np.testing.assert_array_equal(embed([wav])[0], found[1])
    assert isinstance(found[0], np.ndarray)
    for value, reason in zip(found[2:], ("digital silence", "at least 0.5 s", "NaN"), strict=True):
        assert isinstance(value, AudioError) and reason in str(value)


def test_wavlm_is_that_of_transformers(wavlm: Path, noise: np.ndarray) -> None:
    wav = 0.1 * noise[:30_000]
    model = WavLMForXVector.from_pretrained(wavlm).eval()
    extract = Wav2Vec2FeatureExtractor.from_pretrained(wavlm)
    with torch.no_grad():
        expected = model(**extract(wav, sampling_rate=16_000, return_tensors="pt")).embeddings[0].numpy()
    check(WavlmXvector(checkpoint=str(wavlm)), expected, wav)


def test_half_a_second_is_enough_for_wavlm(wavlm: Path, noise: np.ndarray) -> None:
    [vector] = WavlmXvector(checkpoint=str(wavlm)).load("cpu")([noise[:8000]])
    assert isinstance(vector, np.ndarray) and np.isfinite(vector).all()


def test_ecapa_is_that_of_speechbrain(ecapa: Path, noise: np.ndarray, tmp_path: Path) -> None:
    from speechbrain.inference.speaker import EncoderClassifier

    wav = 0.1 * noise[:30_000]
    theirs = EncoderClassifier.from_hparams(source=str(ecapa), savedir=str(tmp_path))
    expected = theirs.encode_batch(torch.from_numpy(wav)[None])[0, 0].numpy()
    check(Ecapa(checkpoint=str(ecapa)), expected, wav)


def test_ecapa_leaves_the_precision_of_other_models_alone(ecapa: Path) -> None:
    code = (
        "import sys, torch; from benchmark.extractors.speaker.encoders import Ecapa; "
        "before = torch.backends.cuda.matmul.allow_tf32; Ecapa(checkpoint=sys.argv[1]).load('cpu'); "
        "assert torch.backends.cuda.matmul.allow_tf32 == before"
    )
    subprocess.run([sys.executable, "-c", code, str(ecapa)], check=True)


def test_weights_are_the_identity_and_where_they_lie_is_not(wavlm: Path, tmp_path: Path) -> None:
    here = WavlmXvector(checkpoint=str(wavlm))
    there = tmp_path / "copy"
    there.mkdir()
    for file in wavlm.iterdir():
        (there / file.name).write_bytes(file.read_bytes())
    copy = WavlmXvector(checkpoint=str(there), revision="main")
    assert copy.key == here.key
    assert TargetSimilarity(encoder=copy).key == TargetSimilarity(encoder=here).key
    model = WavLMForXVector.from_pretrained(there)
    torch.nn.init.ones_(model.projector.bias)
    model.save_pretrained(there)
    assert WavlmXvector(checkpoint=str(there)).key != here.key


def test_a_checkpoint_without_a_head_is_refused(wavlm: Path, tmp_path: Path) -> None:
    WavLMForXVector.from_pretrained(wavlm).wavlm.save_pretrained(tmp_path)
    (tmp_path / "preprocessor_config.json").write_text((wavlm / "preprocessor_config.json").read_text())
    with pytest.raises(UserError, match="is no WavLM x-vector model: it lacks"):
        WavlmXvector(checkpoint=str(tmp_path)).load("cpu")


def test_a_checkpoint_of_another_shape_is_refused(ecapa: Path, tmp_path: Path) -> None:
    torch.save({"weight": torch.zeros(2)}, tmp_path / "embedding_model.ckpt")
    with pytest.raises(UserError, match="does not fit ECAPA_TDNN"):
        Ecapa(checkpoint=str(tmp_path)).load("cpu")


def test_a_missing_library_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "embedding_model.ckpt").touch()
    monkeypatch.setattr(libraries, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"speech-token-benchmark\[ecapa\]"):
        Ecapa(checkpoint=str(tmp_path)).load("cpu")
