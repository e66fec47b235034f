"""Encoding of a manifest: done once, independent of batches, with failures recorded."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from benchmark.data.audio import header, write_audio
from benchmark.data.corpora.base import Corpus
from benchmark.data.manifest import Manifest
from benchmark.errors import UserError
from benchmark.storage.artifacts import ArtifactStore
from benchmark.tokenizers.encoding import encode
from benchmark.tokenizers.encoding.encode import encode_manifest, fit_codebook
from benchmark.tokenizers.ground_truth import GroundTruth
from benchmark.tokenizers.mel_rvq import MelRvq
from benchmark.types import Utterance


@dataclass(kw_only=True)
class Given(Corpus):
    """Corpus with a given train split, and no other."""

    train: Manifest | None

    def identity(self, split: str) -> dict[str, Any]:
        if split != "train" or self.train is None:
            raise UserError(f"no split {split}")
        return {"digest": self.train.digest}

    def build(self, split: str, folder: Path) -> Manifest:
        assert self.train is not None
        return self.train


@pytest.fixture
def corpus(manifest: Manifest) -> Given:
    return Given(name="given", train=manifest)


@pytest.fixture
def manifest(tmp_path: Path) -> Manifest:
    """Write seven noise clips of different lengths and one damaged file."""
    rng = np.random.default_rng(0)
    utterances = []
    for number in range(7):
        path = tmp_path / f"{number}.wav"
        write_audio(path, 0.1 * rng.standard_normal(4000 + 977 * number).astype(np.float32))
        utterances.append(Utterance(f"u{number}", str(path), f"s{number % 2}", *header(path)))
    broken = tmp_path / "broken.wav"
    broken.write_bytes(b"RIFF not audio")
    utterances.append(Utterance("u9", str(broken), "s0", *header(broken)))
    return Manifest(utterances)


def test_tokens_equal_those_of_single_utterances(
    manifest: Manifest, corpus: Given, store: ArtifactStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(encode, "CHUNK", 3)  # several chunks, so that their borders are crossed
    tokenizer = MelRvq(name="mel_rvq", num_codebooks=2, codebook_size=16)
    tokenizer = fit_codebook(tokenizer, corpus, store, seed=0)
    tokens = encode_manifest(tokenizer, manifest, store)
    assert list(tokens.failures) == ["u9"] and len(tokens) == 7
    for utterance, wav in encode.read_all(manifest):
        if isinstance(wav, np.ndarray):
            codes, frames = tokenizer.encode(torch.from_numpy(wav)[None], torch.tensor([len(wav)]))
            alone = codes[0, :, : int(frames)].numpy()
            np.testing.assert_array_equal(tokens[utterance.utterance_id], alone)


def test_the_log_says_how_fast_it_was(
    manifest: Manifest,
    store: ArtifactStore,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = iter((10.0, 12.0, 20.0))
    monkeypatch.setattr(encode, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    with caplog.at_level("INFO"):
        encode_manifest(GroundTruth(name="ground_truth"), manifest, store)
        encode_manifest(GroundTruth(name="ground_truth"), manifest, store)
    (message,) = [record.getMessage() for record in caplog.records if "real time" in record.getMessage()]
    hours, name, seconds, factor = re.fullmatch(
        r"encoded (\S+) h of speech by (\S+) in (\S+) s: (\S+) × real time", message
    ).groups()
    assert name == "ground_truth" and float(hours) == round(manifest.hours, 2) and seconds == "2.0"
    speech = sum(4000 + 977 * number for number in range(7)) / 16_000
    assert float(factor) == pytest.approx(speech / 2, rel=1e-2)


def test_second_call_encodes_nothing(
    manifest: Manifest, store: ArtifactStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokenizer = GroundTruth(name="ground_truth")
    first = encode_manifest(tokenizer, manifest, store)
    monkeypatch.setattr(GroundTruth, "_encode", None)
    second = encode_manifest(GroundTruth(name="other name"), manifest, store)
    assert first.folder == second.folder


def test_codebook_is_part_of_the_identity(corpus: Given, store: ArtifactStore) -> None:
    bare = MelRvq(name="a", num_codebooks=1, codebook_size=16)
    before = bare.identity()
    tokenizers = [fit_codebook(bare, corpus, store, seed) for seed in range(2)]
    assert tokenizers[0].identity() != tokenizers[1].identity() and bare.identity() == before
    assert fit_codebook(tokenizers[1], corpus, store, 0) is tokenizers[1]  # it has one
    assert len(list((store.root / "codebooks").glob("*/seal.json"))) == 2
    again = fit_codebook(MelRvq(name="b", num_codebooks=1, codebook_size=16), corpus, store, 0)
    assert again.identity() == tokenizers[0].identity()


def test_of_a_long_corpus_a_part_is_heard(
    corpus: Given, store: ArtifactStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert corpus.train is not None
    heard: list[list[str]] = []

    def fit(self: MelRvq, wavs: Iterable[np.ndarray], seed: int) -> MelRvq:
        heard.append([f"{len(wav)}" for wav in wavs])
        return original(self, iter([np.random.default_rng(0).standard_normal(16_000).astype("f")]), seed)

    original = MelRvq.fit
    monkeypatch.setattr(MelRvq, "fit", fit)
    for hours in (corpus.train.hours, corpus.train.hours / 2):
        monkeypatch.setattr(encode, "FIT_HOURS", hours)
        fit_codebook(MelRvq(name="a", num_codebooks=1, codebook_size=16), corpus, store, seed=0)
    whole, part = heard
    assert len(whole) == 7 and 3 <= len(part) <= 4 and set(part) < set(whole)
    assert len(list((store.root / "codebooks").glob("*/seal.json"))) == 2


def test_a_tokenizer_without_codebook_needs_no_train_split(store: ArtifactStore) -> None:
    nothing = Given(name="nothing", train=None)
    fit_codebook(GroundTruth(name="ground_truth"), nothing, store, seed=0)
    with pytest.raises(UserError, match="train"):
        fit_codebook(MelRvq(name="mel_rvq"), nothing, store, seed=0)
