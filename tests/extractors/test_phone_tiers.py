"""Phones with their times: of one utterance, of the synthetic corpus, and in the store."""

from collections.abc import Iterator

import numpy as np
import pytest

from benchmark.data.audio import read_audio
from benchmark.data.corpora.synthetic import Synthetic
from benchmark.extractors.phones.aligner import Aligner, KnownPhones
from benchmark.extractors.phones.segments import SILENCE, Phones, join_spans
from benchmark.extractors.phones.store import phone_tiers
from benchmark.storage.artifacts import ArtifactStore
from benchmark.types import SAMPLE_RATE


def corpus() -> Synthetic:
    return Synthetic(name="synthetic", test_utterances=12, dev_utterances=3, train_utterances=3)


def test_a_time_is_looked_up_in_half_open_spans() -> None:
    phones = Phones((SILENCE, "a", "b"), np.array([0.1, 0.3, 0.4]))
    assert phones.at(np.array([0.0, 0.099, 0.1, 0.3, 0.39, 0.4, 9.0])) == [
        SILENCE, SILENCE, "a", "b", "b", SILENCE, SILENCE,
    ]  # fmt: skip


def test_silences_in_a_row_become_one_and_empty_spans_none() -> None:
    phones = join_spans([SILENCE, SILENCE, "a", "b", "a", SILENCE], np.array([0.0, 0.1, 0.2, 0.2, 0.3, 0.3]))
    assert phones.labels == (SILENCE, "a", "a")
    assert phones.ends.tolist() == [0.1, 0.2, 0.3]


def test_the_synthetic_corpus_knows_where_it_is_silent(store: ArtifactStore) -> None:
    tiers = phone_tiers(corpus(), "test", KnownPhones(), store)
    manifest = corpus().manifest("test", store)
    assert tiers is not None and set(tiers) == {u.utterance_id for u in manifest} and not tiers.failures
    quiet, loud = [], []
    for utterance in manifest:
        phones = tiers[utterance.utterance_id]
        assert phones.labels[0] == phones.labels[-1] == SILENCE
        assert phones.ends[-1] == pytest.approx(utterance.duration, abs=1e-9)
        assert (np.diff(phones.ends) > 0).all()
        wav = read_audio(utterance.audio_path)
        level = np.square(wav[: len(wav) // 160 * 160].reshape(-1, 160)).mean(1)
        times = (np.arange(len(level)) + 0.5) * 160 / SAMPLE_RATE
        at, before, after = (np.array(phones.at(times + shift)) for shift in (0, -0.04, 0.02))
        quiet.append(level[(at == SILENCE) & (before == SILENCE) & (after == SILENCE)])
        loud.append(level[np.isin(at, ["iː", "aɪ", "eɪ", "uː", "ɪ"])])
    assert len(np.concatenate(quiet)) > 60
    assert np.concatenate(quiet).max() < 1e-4  # what echoes for more than 40 ms, at most
    assert np.median(np.concatenate(loud)) > 1e-3


def test_a_corpus_that_knows_none_gives_none(store: ArtifactStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Synthetic, "phones", lambda self, split: None)
    assert phone_tiers(corpus(), "test", KnownPhones(), store) is None


class Counting(Aligner):
    """An aligner with phones for one utterance and a reason for the other."""

    calls = 0

    @property
    def source(self) -> str:
        return "a test"

    def identity(self) -> dict[str, object]:
        return {"class": "Counting"}

    def align(self, corpus, split, store, device) -> Iterator[tuple[str, Phones | str]]:
        self.calls += 1
        yield "one", Phones(("a", SILENCE), np.array([0.1, 1 / 3]))
        yield "two", "no transcript"


def test_tiers_are_kept_with_the_reasons_of_those_that_failed(
    store: ArtifactStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiers = phone_tiers(corpus(), "test", Counting(), store)
    assert tiers is not None
    assert tiers.failures == {"two": "no transcript"} and tiers.source == "a test"
    assert list(tiers) == ["one"] and len(tiers) == 1 and "two" not in tiers
    assert tiers["one"].labels == ("a", SILENCE) and tiers["one"].ends.tolist() == [0.1, 1 / 3]
    monkeypatch.setattr("benchmark.extractors.phones.store._write", lambda *_: pytest.fail("written twice"))
    again = phone_tiers(corpus(), "test", Counting(), store)
    assert again is not None and again["one"].labels == ("a", SILENCE)
