"""Forced alignment, checked by hand, on emissions with known phones, and with a tiny model on disk."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import Wav2Vec2Config, Wav2Vec2ForCTC

from benchmark.data.audio import read_audio
from benchmark.data.corpora.synthetic import Synthetic
from benchmark.data.manifest import Manifest
from benchmark.data.synthesis.espeak_phones import spell
from benchmark.errors import UserError
from benchmark.extractors.phones.aligner import KnownPhones
from benchmark.extractors.phones.ctc_alignment import AlignmentError, align, fill_gaps, spell_with
from benchmark.extractors.phones.segments import SILENCE, Phones
from benchmark.extractors.phones.store import phone_tiers
from benchmark.extractors.phones.wav2vec2 import CTCAligner, _load
from benchmark.storage.artifacts import ArtifactStore

HOP, FIRST = 0.02, 0.0025
CORPUS = Synthetic(name="synthetic", test_utterances=12, dev_utterances=3, train_utterances=3)


def peaks(frames: Sequence[int], labels: int) -> torch.Tensor:
    """Return log-probabilities that are nearly certain of one label per frame."""
    return (torch.nn.functional.one_hot(torch.tensor(frames), labels) * 20.0).log_softmax(-1)


def test_a_path_by_hand() -> None:
    assert align(peaks([0, 1, 1, 0, 2, 0, 2, 2], 3), [1, 2, 2], blank=0) == [(1, 3), (4, 5), (6, 8)]


def test_what_cannot_be_aligned_says_why() -> None:
    with pytest.raises(AlignmentError, match="3 phones, 2 of them repeated, do not fit into 4 frames"):
        align(peaks([1, 0, 1, 0], 3), [1, 1, 1], blank=0)
    assert align(peaks([1, 0, 1, 0], 3), [1, 1], blank=0) == [(0, 1), (2, 3)]
    with pytest.raises(AlignmentError, match="no phone"):
        align(peaks([0, 0], 3), [], blank=0)


def test_phones_are_written_in_the_models_labels() -> None:
    vocabulary = {"a", "aɪ", "ə", "iː", "ɔ", "t"}
    assert spell_with(vocabulary, ["a", "aɪə", "i", "ɔː", "t"]) == ["a", "aɪ", "ə", "iː", "ɔ", "t"]
    with pytest.raises(AlignmentError, match="no label for the phone 'ʒ'"):
        spell_with(vocabulary, ["a", "ʒ"])


def test_short_gaps_are_shared_and_long_ones_silence() -> None:
    # Frames of 0.1 s: leading 0.5 s, a gap of 0.2 s, one of 0.6 s, and 0.02 s at the end.
    phones = fill_gaps(["a", "b", "c"], [(5, 6), (8, 9), (15, 16)], hop=0.1, first=0.0, duration=1.62)
    assert phones.labels == (SILENCE, "a", "b", SILENCE, "c")
    assert phones.ends == pytest.approx([0.42, 0.7, 0.98, 1.42, 1.62])


def emissions(
    phones: Phones, vocabulary: dict[str, int], peaky: bool, rng: np.random.Generator
) -> torch.Tensor:
    """Return noisy emissions of a good model: each phone in all its frames, or in its middle one only."""
    count = int((phones.ends[-1] - FIRST) / HOP)
    frames = np.zeros(count, int)
    starts = np.concatenate(([0], phones.ends[:-1]))
    for label, start, end in zip(phones.labels, starts, phones.ends, strict=True):
        if label != SILENCE:
            if peaky:
                start = end = (start + end) / 2
            first, last = (round((time - FIRST) / HOP) for time in (start, end))
            frames[first : max(last, first + 1)] = vocabulary[label]
    logits = 6 * torch.nn.functional.one_hot(torch.tensor(frames), len(vocabulary) + 1).float()
    noise = torch.from_numpy(rng.normal(0, 1, logits.shape)).float()
    return (logits + noise).log_softmax(-1)


@pytest.mark.parametrize(("peaky", "middle", "most"), [(False, 0.01, 0.02), (True, 0.02, 0.05)])
def test_the_exact_phones_come_back_from_noisy_emissions(
    store: ArtifactStore, peaky: bool, middle: float, most: float
) -> None:
    known = phone_tiers(CORPUS, "test", KnownPhones(), store)
    assert known is not None
    labels = sorted({label for phones in known.values() for label in phones.labels} - {SILENCE})
    vocabulary = {label: index + 1 for index, label in enumerate(labels)}
    rng = np.random.default_rng(0)
    errors = []
    for phones in known.values():
        spoken = [label for label in phones.labels if label != SILENCE]
        spans = align(
            emissions(phones, vocabulary, peaky, rng), [vocabulary[label] for label in spoken], blank=0
        )
        found = fill_gaps(spoken, spans, HOP, FIRST, phones.ends[-1])
        assert [label for label in found.labels if label != SILENCE] == spoken
        errors += np.abs(_inner(phones) - _inner(found)).tolist()
    assert np.median(errors) < middle
    assert np.quantile(errors, 0.95) < most


def _inner(phones: Phones) -> np.ndarray:
    """Return starts and ends of all phones except silences."""
    starts = np.concatenate(([0], phones.ends[:-1]))
    spoken = np.array([label != SILENCE for label in phones.labels])
    return np.concatenate((starts[spoken][1:], phones.ends[spoken][:-1]))


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random Wav2Vec2ForCTC of the published shape, with all phones of the corpus except a rare one."""
    folder = tmp_path_factory.mktemp("phonemes")
    phones = {p for _, s, _ in CORPUS._script("test") for p in spell([s.text], "en-us")[0]}
    labels = ["<pad>", "<s>", "</s>", "<unk>", *sorted(phones - {"ʒ"})]
    (folder / "vocab.json").write_text(json.dumps({label: index for index, label in enumerate(labels)}))
    config = Wav2Vec2Config(
        vocab_size=len(labels), hidden_size=16, num_hidden_layers=1, num_attention_heads=2,
        intermediate_size=16, conv_dim=(8,) * 7, num_conv_pos_embeddings=4, num_conv_pos_embedding_groups=2,
        feat_extract_norm="layer", do_stable_layer_norm=True, conv_bias=True, pad_token_id=0,
    )  # fmt: skip
    torch.manual_seed(0)
    Wav2Vec2ForCTC(config).save_pretrained(folder)
    return folder


def test_a_saved_model_aligns_the_corpus_the_same_way_every_time(
    checkpoint: Path, store: ArtifactStore, tmp_path: Path
) -> None:
    aligner = CTCAligner(checkpoint=str(checkpoint))
    tiers = phone_tiers(CORPUS, "test", aligner, store)
    again = phone_tiers(CORPUS, "test", aligner, ArtifactStore(tmp_path / "other"))
    assert tiers is not None and again is not None
    manifest = CORPUS.manifest("test", store)
    assert set(tiers) | set(tiers.failures) == {u.utterance_id for u in manifest}
    rare = {u.utterance_id for u in manifest if "ʒ" in spell([u.text or ""], "en-us")[0]}
    assert tiers.failures == dict.fromkeys(rare, "the model has no label for the phone 'ʒ'")
    for name, phones in tiers.items():
        assert phones.ends[-1] == pytest.approx(manifest[name].duration, abs=1e-3)
        spoken = [label for label in phones.labels if label != SILENCE]
        assert spoken == spell([manifest[name].text or ""], "en-us")[0]
        assert phones.labels == again[name].labels
        np.testing.assert_array_equal(phones.ends, again[name].ends)


def test_an_alignment_does_not_depend_on_batch_company(
    checkpoint: Path, store: ArtifactStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    aligner = CTCAligner(checkpoint=str(checkpoint))
    together = dict(aligner.align(CORPUS, "test", store, "cpu"))
    monkeypatch.setattr("benchmark.extractors.phones.wav2vec2.AT_ONCE", 1)
    alone = dict(aligner.align(CORPUS, "test", store, "cpu"))
    for name, phones in together.items():
        if isinstance(phones, Phones):
            assert isinstance(alone[name], Phones)
            np.testing.assert_array_equal(phones.ends, alone[name].ends)


def test_the_model_hears_speech_normalised(checkpoint: Path, store: ArtifactStore) -> None:
    model = _load(checkpoint, "cpu")
    wav = torch.from_numpy(read_audio(CORPUS.manifest("test", store).at(0).audio_path))
    loud, quiet = model([wav])[0], model([0.3 * wav])[0]
    torch.testing.assert_close(quiet, loud, atol=0.01, rtol=0)
    assert loud.exp().sum(-1) == pytest.approx(1, abs=1e-5)
    assert model.hop == 0.02 and model.first == 0.0025
    assert len(loud) == (len(wav) - 400) // 320 + 1


def test_utterances_without_text_or_audio_fail_with_a_reason(
    checkpoint: Path, store: ArtifactStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second, third, *_ = CORPUS.manifest("test", store)
    broken = Manifest([replace(first, text=None), replace(second, audio_path="/nowhere.wav"), third])
    monkeypatch.setattr(Synthetic, "manifest", lambda *_: broken)
    tiers = phone_tiers(CORPUS, "test", CTCAligner(checkpoint=str(checkpoint)), store)
    assert tiers is not None and list(tiers) == [third.utterance_id]
    assert tiers.failures[first.utterance_id] == "no transcript"
    assert "/nowhere.wav" in tiers.failures[second.utterance_id]


def test_absent_weights_are_a_command_and_damaged_ones_a_sentence(
    checkpoint: Path, store: ArtifactStore, tmp_path: Path
) -> None:
    missing = CTCAligner(checkpoint="facebook/wav2vec2-lv-60-espeak-cv-ft", revision="a" * 40)
    with pytest.raises(UserError, match="hf download facebook/wav2vec2-lv-60-espeak-cv-ft"):
        phone_tiers(CORPUS, "test", missing, store)
    for name in ("config.json", "model.safetensors"):
        (tmp_path / name).write_bytes((checkpoint / name).read_bytes())
    with pytest.raises(UserError, match=r"vocab\.json"):
        phone_tiers(CORPUS, "test", CTCAligner(checkpoint=str(tmp_path)), store)
