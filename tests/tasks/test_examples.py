"""Tests of the names of audio examples: those of the utterances if legal, and never outside the folder."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmark.data.audio import header, write_audio
from benchmark.data.manifest import Manifest
from benchmark.results.store import _replace_folder
from benchmark.tasks.decoding.audio_examples import examples
from benchmark.tasks.decoding.resynthesis import Resynthesis
from benchmark.types import Utterance


def made_of(tmp_path: Path, *ids: str, goodness: pd.Series | None = None) -> dict[str, bytes]:
    utterances, decoded = [], {}
    for number, name in enumerate(ids):
        path = tmp_path / f"{number}.wav"
        write_audio(path, np.full(3200, 0.1, np.float32))
        utterances.append(Utterance(name, str(path), "s", *header(path)))
        decoded[name] = path
    audio = Resynthesis(tmp_path, decoded, {}, "own")
    return examples({}, Manifest(utterances), {}, audio, "made", goodness)


def names(tmp_path: Path, *ids: str) -> list[str]:
    files = made_of(tmp_path, *ids)
    _replace_folder(tmp_path / "audio", files)  # the way results are written: every name must be legal
    assert sorted(path.name for path in (tmp_path / "audio").iterdir()) == sorted(files)
    return sorted(files)


def test_usual_ids_are_kept(tmp_path: Path) -> None:
    assert names(tmp_path, "1089_134686_000002_000001", "61-70968-0001") == [
        "1089_134686_000002_000001_made.wav",
        "1089_134686_000002_000001_source.wav",
        "61-70968-0001_made.wav",
        "61-70968-0001_source.wav",
    ]


@pytest.mark.parametrize(
    "ids",
    [
        ("../../x", "../../y"),
        ("a b", "a_b", "a/b"),
        ("日本語", "한국말", "речь"),
        ("x" * 3000, "x" * 3000 + "y"),
        ("..", ".", "/"),
        (".hidden", "-rf", "_hidden"),
        ("a\\b", "a:b", 'a"b'),
    ],
)
def test_hostile_ids_get_names_of_their_own_in_the_folder(tmp_path: Path, ids: tuple[str, ...]) -> None:
    found = names(tmp_path, *ids)
    assert len(set(found)) == 2 * len(ids)
    assert all("/" not in name and name.isascii() and len(name) < 200 for name in found)
    assert all(name[0] not in ".-" for name in found)
    assert {path.name for path in tmp_path.iterdir()} == {"audio", *(f"{n}.wav" for n in range(len(ids)))}


def test_the_two_worst_and_the_best_are_kept_beside_the_fixed_ones(tmp_path: Path) -> None:
    ids = [f"u{number}" for number in range(8)]
    goodness = pd.Series([0.5, 0.4, 0.5, np.nan, -9.0, 0.6, 0.6, -8.0], ids)
    kept = {name.rpartition("_")[0] for name in made_of(tmp_path, *ids, goodness=goodness)}
    assert kept == {"u0", "u1", "u2", "u4", "u7", "u5"}  # the first of two equal ones


def test_fewer_than_asked_for_are_kept_once(tmp_path: Path) -> None:
    assert len(made_of(tmp_path, "a", "b", goodness=pd.Series([1.0, 2.0], ["a", "b"]))) == 4
    assert len(made_of(tmp_path, "a", "b", goodness=pd.Series([], [], dtype=float))) == 4
