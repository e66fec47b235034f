import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import (
    HubertConfig,
    HubertForCTC,
    Wav2Vec2Config,
    Wav2Vec2CTCTokenizer,
    Wav2Vec2FeatureExtractor,
    Wav2Vec2ForCTC,
    Wav2Vec2Processor,
)

from benchmark.data.audio import AudioError
from benchmark.errors import UserError
from benchmark.extractors.asr import wav2vec2_ctc as ctc_asr
from benchmark.extractors.asr.wav2vec2_ctc import Ctc

LETTERS = ["<pad>", "<s>", "</s>", "<unk>", "|", *"ETAOINSHRDLUMWCFGYPBVK'XJQZ"]


@pytest.fixture(scope="module", params=["group", "layer"])
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny random model, normalised over the clip or over channels, like the published models."""
    path = tmp_path_factory.mktemp(request.param)
    (path / "vocab.json").write_text(json.dumps({letter: i for i, letter in enumerate(LETTERS)}))
    tokenizer = Wav2Vec2CTCTokenizer(str(path / "vocab.json"))
    masked = request.param == "layer"
    extractor = Wav2Vec2FeatureExtractor(do_normalize=True, return_attention_mask=masked)
    Wav2Vec2Processor(extractor, tokenizer).save_pretrained(path)
    torch.manual_seed(3)
    config = Wav2Vec2Config(
        vocab_size=len(LETTERS), hidden_size=32, num_hidden_layers=2, num_attention_heads=2,
        intermediate_size=48, conv_dim=(16,) * 7, num_conv_pos_embeddings=16,
        num_conv_pos_embedding_groups=2, feat_extract_norm=request.param, do_stable_layer_norm=masked,
        pad_token_id=0,
    )  # fmt: skip
    model = Wav2Vec2ForCTC(config)
    with torch.no_grad():
        model.lm_head.weight.mul_(20)  # so that it says many letters
    model.save_pretrained(path)
    return path


@pytest.fixture
def ctc(folder: Path) -> Ctc:
    return Ctc(name="tiny", checkpoint=str(folder))


def directly(folder: Path, wav: np.ndarray) -> str:
    """Return the transcript of a clip by transformers itself."""
    processor = Wav2Vec2Processor.from_pretrained(folder)
    model = Wav2Vec2ForCTC.from_pretrained(folder).eval()
    with torch.no_grad():
        logits = model(**processor(wav, sampling_rate=16_000, return_tensors="pt")).logits
    return processor.batch_decode(logits.argmax(-1), skip_special_tokens=True)[0].strip()


def test_is_transformers_and_company_changes_nothing(ctc: Ctc, folder: Path, noise: np.ndarray) -> None:
    wavs = [0.1 * noise[start : start + length] for start, length in
            ((0, 30_000), (5_000, 12_345), (9_000, 30_000), (2_000, 800), (1_000, 30_000))]  # fmt: skip
    expected = [directly(folder, wav) for wav in wavs]
    assert len(set(expected)) == len(wavs) and max(map(len, expected)) > 10
    assert ctc.load("cpu")(wavs) == expected
    assert replace(ctc, batch_size=2).load("cpu")(wavs[::-1]) == expected[::-1]
    assert replace(ctc, batch_size=1).load("cpu")(wavs) == expected


def test_long_clips_are_cut_into_equal_parts(
    ctc: Ctc, folder: Path, noise: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ctc_asr, "WINDOW", 1)
    long, short = 0.1 * noise[:40_000], 0.1 * noise[:16_000]
    parts = [directly(folder, part) for part in np.array_split(long, 3)]
    expected = [" ".join(filter(None, parts)), directly(folder, short)]
    assert ctc.load("cpu")([long, short]) == expected


def test_silence_is_heard_and_what_cannot_be_has_a_reason(ctc: Ctc, noise: np.ndarray) -> None:
    wavs = [np.zeros(16_000), np.full(16_000, np.nan), noise[:0], noise[:400], noise[:16_000]]
    found = ctc.load("cpu")([wav.astype(np.float32) for wav in wavs])
    assert isinstance(found[0], str) and isinstance(found[4], str)
    for value, reason in zip(found[1:4], ("NaN", "no samples", "at least 0.05 s"), strict=True):
        assert isinstance(value, AudioError) and reason in str(value)


def test_hubert_is_read_from_a_file_as_old_as_the_published_one(
    folder: Path, tmp_path: Path, noise: np.ndarray
) -> None:
    """facebook/hubert-large-ls960-ft is pickled, with the former names of weight normalisation."""
    torch.manual_seed(5)
    config = HubertConfig(
        vocab_size=len(LETTERS), hidden_size=32, num_hidden_layers=2, num_attention_heads=2,
        intermediate_size=48, conv_dim=(16,) * 7, num_conv_pos_embeddings=16, conv_bias=True,
        num_conv_pos_embedding_groups=2, feat_extract_norm="layer", do_stable_layer_norm=True, pad_token_id=0,
    )  # fmt: skip
    model = HubertForCTC(config).eval()
    with torch.no_grad():
        model.lm_head.weight.mul_(20)
    state = dict(model.state_dict())
    today = "hubert.encoder.pos_conv_embed.conv.parametrizations.weight.original"
    for number, letter in enumerate("gv"):
        state[f"hubert.encoder.pos_conv_embed.conv.weight_{letter}"] = state.pop(f"{today}{number}")
    torch.save(state, tmp_path / "pytorch_model.bin")
    config.save_pretrained(tmp_path)
    for file in folder.glob("*.json"):
        if file.name != "config.json":
            (tmp_path / file.name).write_text(file.read_text())
    processor = Wav2Vec2Processor.from_pretrained(folder)
    wav = 0.1 * noise[:30_000]
    with torch.no_grad():
        logits = model(**processor(wav, sampling_rate=16_000, return_tensors="pt")).logits
    expected = processor.batch_decode(logits.argmax(-1), skip_special_tokens=True)[0].strip()
    assert len(expected) > 10 and Ctc(name="", checkpoint=str(tmp_path)).load("cpu")([wav]) == [expected]


def test_its_key_is_that_of_the_weights(ctc: Ctc) -> None:
    assert replace(ctc, name="other", batch_size=1, revision="main").key == ctc.key
    assert ctc.identity().keys() == {"class", "version", "weights"}


def test_an_encoder_without_a_head_is_refused(folder: Path, tmp_path: Path) -> None:
    Wav2Vec2ForCTC.from_pretrained(folder).wav2vec2.save_pretrained(tmp_path)
    for file in folder.glob("*.json"):
        if file.name != "config.json":
            (tmp_path / file.name).write_text(file.read_text())
    with pytest.raises(UserError, match="is no CTC model: it lacks lm_head"):
        Ctc(name="", checkpoint=str(tmp_path)).load("cpu")


def test_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(UserError, match="is no CTC model of transformers"):
        Ctc(name="", checkpoint=str(tmp_path)).load("cpu")
