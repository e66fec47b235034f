import math
import shutil
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmark.data.manifest import Manifest
from benchmark.errors import UserError
from benchmark.types import Utterance


def utterances(folder: Path, speakers: int = 3, each: int = 4) -> list[Utterance]:
    return [
        Utterance(
            f"{s}-{i}", str(folder / f"{s}-{i}.wav"), f"s{s}", 1.5 + i, f"print{s}{i}", text=f"word {i}"
        )
        for s in range(speakers)
        for i in range(each)
    ]


def test_round_trip_keeps_every_field(tmp_path: Path) -> None:
    given = [
        Utterance("b", str(tmp_path / "audio" / "b.wav"), "s1", 1.25, "x", "grüße", "a_b", "a", "de", "F"),
        Utterance("a", "/elsewhere/a.flac", "s2", float("nan"), "missing"),
        Utterance("c", str(tmp_path / "audio" / "c.wav"), "s2", 0.5, "y", text=""),
    ]
    Manifest(given).save(tmp_path / "manifest.arrow")
    loaded = Manifest.load(tmp_path / "manifest.arrow")
    assert [u.utterance_id for u in loaded] == ["a", "b", "c"]
    assert loaded["b"] == given[0]
    assert loaded["c"] == given[2]
    assert math.isnan(loaded["a"].duration)
    assert replace(loaded["a"], duration=0.0) == replace(given[1], duration=0.0)
    assert loaded.digest == Manifest(given).digest


def test_the_folder_may_move(tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    old.mkdir()
    Manifest(utterances(old / "audio")).save(old / "manifest.arrow")
    shutil.move(old, new)
    assert {str(Path(u.audio_path).parent) for u in Manifest.load(new / "manifest.arrow")} == {
        str(new / "audio")
    }


def test_a_relative_audio_path_is_kept_as_an_absolute_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "cache").mkdir()
    Manifest(utterances(Path("corpus"))).save(Path("cache") / "manifest.arrow")
    loaded = Manifest.load(Path("cache") / "manifest.arrow")
    assert loaded["0-0"].audio_path == str(tmp_path / "corpus" / "0-0.wav")


def test_digest_ignores_place_and_order_only(tmp_path: Path) -> None:
    given = utterances(tmp_path)
    digest = Manifest(given).digest
    assert Manifest(reversed(utterances(tmp_path / "other"))).digest == digest
    changes = {
        "utterance_id": "z",
        "speaker_id": "z",
        "duration": 9.0,
        "fingerprint": "z",
        "text": None,
        "intent": "a_b",
        "scenario": "a",
        "language": "de",
        "gender": "F",
    }
    digests = {Manifest([replace(given[0], **{k: v}), *given[1:]]).digest for k, v in changes.items()}
    assert len(digests | {digest}) == len(changes) + 1


def test_repeated_ids_and_emptiness_are_refused(tmp_path: Path) -> None:
    given = utterances(tmp_path)
    with pytest.raises(UserError, match="repeated: 1-2"):
        Manifest([*given, given[6]])
    with pytest.raises(ValueError, match="at least one"):
        Manifest([])


@pytest.mark.parametrize("limit", [3, 5, 7, 11])
def test_subset_is_spread_over_speakers(tmp_path: Path, limit: int) -> None:
    manifest = Manifest(utterances(tmp_path))
    subset = manifest.subset(limit)
    counts = Counter(u.speaker_id for u in subset)
    assert len(subset) == limit
    assert max(counts.values()) - min(counts.values()) <= 1
    assert set(subset) <= set(manifest)


def test_subset_takes_all_of_a_speaker_who_has_little(tmp_path: Path) -> None:
    given = utterances(tmp_path)
    manifest = Manifest(given[:5])  # four utterances of one speaker, one of another
    assert Counter(u.speaker_id for u in manifest.subset(3)) == {"s0": 2, "s1": 1}


def test_subset_is_a_function_of_the_seed(tmp_path: Path) -> None:
    manifest = Manifest(utterances(tmp_path, 5, 20))
    assert manifest.subset(10, seed=1).digest == manifest.subset(10, seed=1).digest
    assert manifest.subset(10, seed=1).digest != manifest.subset(10, seed=2).digest
    assert manifest.subset(None) is manifest
    assert manifest.subset(1000) is manifest


def test_filling_draws_in_the_order_of_subsets_up_to_a_size(tmp_path: Path) -> None:
    manifest = Manifest(utterances(tmp_path, 5, 20))
    sizes = np.random.default_rng(0).uniform(1, 9, len(manifest))
    known = dict(zip((u.utterance_id for u in manifest), sizes, strict=True))
    for most in (12.0, 100.0, 300.0):
        drawn = manifest.fill(most, sizes)
        assert list(drawn) == list(manifest.subset(len(drawn)))
        assert sum(known[u.utterance_id] for u in drawn) <= most
        assert sum(known[u.utterance_id] for u in manifest.subset(len(drawn) + 1)) > most
    assert len(manifest.fill(0.5, sizes)) == 1
    assert manifest.fill(1e9, sizes) is manifest


def test_a_part_of_a_loaded_manifest_has_a_digest_of_its_own(tmp_path: Path) -> None:
    Manifest(utterances(tmp_path, 5, 20)).save(tmp_path / "manifest.arrow")
    loaded = Manifest.load(tmp_path / "manifest.arrow")
    part = loaded.subset(10)
    assert part.digest != loaded.digest
    assert (
        part.digest == Manifest(list(part)).digest == Manifest(utterances(tmp_path, 5, 20)).subset(10).digest
    )
    part.save(tmp_path / "part.arrow")
    assert Manifest.load(tmp_path / "part.arrow").digest == part.digest


def test_hours_leave_out_what_cannot_be_read(tmp_path: Path) -> None:
    given = utterances(tmp_path, 1, 2)
    assert Manifest([given[0], replace(given[1], duration=math.nan)]).hours == pytest.approx(1.5 / 3600)
