"""The user's own corpus: manifests that do not depend on its folder, and damaged recordings."""

import logging
import math
import os
import shutil
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from benchmark.data.corpora.custom import Custom
from benchmark.errors import UserError
from benchmark.storage.artifacts import ArtifactStore

ROWS = [
    "clips/a.wav,ann,train,go,F",
    "clips/b.wav,bob,train,stop,M",
    "clips/c.wav,cat,dev,wait,",
    "clips/d.wav,dan,test,run,M",
    "clips/e.wav,dan,test,,M",
    "clips/f.wav,dan,test_de,lauf,M",
]


@pytest.fixture
def folder(tmp_path: Path, write_tone: Callable[..., Path]) -> Path:
    root = tmp_path / "mine"
    for number, row in enumerate(ROWS):
        write_tone(root / row.split(",")[0], 0.5 + 0.1 * number)
    write_list(root / "my.csv", ROWS)
    return root


def write_list(path: Path, rows: list[str]) -> None:
    path.write_text("\n".join(["audio_path,speaker_id,split,text,gender", *rows]) + "\n")


def custom(folder: Path, **arguments: Any) -> Custom:
    return Custom(**{"file": str(folder / "my.csv"), **arguments})


def test_a_split_is_read(folder: Path, store: ArtifactStore) -> None:
    corpus = custom(folder)
    test = list(corpus.manifest("test", store))
    assert [(u.utterance_id, u.speaker_id, u.text, u.gender) for u in test] == [
        ("d", "dan", "run", "M"),
        ("e", "dan", None, "M"),
    ]
    assert test[0].duration == pytest.approx(0.8) and Path(test[0].audio_path) == folder / "clips/d.wav"
    assert corpus.name == "my" and corpus.foreign_splits == ("test_de",)
    assert corpus.split_label("test") == "test"


def test_the_name_comes_from_the_file_and_can_be_set(folder: Path) -> None:
    for stem, name in (("my  corpus (2)", "my_corpus_2"), ("__x__", "x")):
        shutil.copy(folder / "my.csv", folder / f"{stem}.csv")
        assert custom(folder, file=str(folder / f"{stem}.csv")).name == name
    shutil.copy(folder / "my.csv", folder / "речь.csv")
    with pytest.raises(UserError, match=r"dataset\.name"):
        custom(folder, file=str(folder / "речь.csv"))
    assert custom(folder, file=str(folder / "речь.csv"), name="rech").name == "rech"


def test_where_it_lies_and_how_it_is_sorted_make_no_difference(
    folder: Path, tmp_path: Path, store: ArtifactStore
) -> None:
    here = custom(folder)
    identity, digest = here.identity("test"), here.manifest("test", store).digest
    shutil.move(folder, tmp_path / "elsewhere")  # keeps the times of last change
    write_list(tmp_path / "elsewhere" / "my.csv", ROWS[::-1])
    there = custom(tmp_path / "elsewhere")
    moved = there.manifest("test", store)
    assert there.identity("test") == identity and moved.digest == digest
    assert all(Path(u.audio_path).is_file() for u in moved)


def test_absolute_paths_and_a_root(folder: Path, tmp_path: Path, store: ArtifactStore) -> None:
    identity = custom(folder).identity("test")
    alone = tmp_path / "lists"
    alone.mkdir()
    write_list(alone / "my.csv", [f"{folder}/{row}" for row in ROWS])
    assert custom(alone).identity("test") == identity
    write_list(alone / "my.csv", ROWS)
    rooted = custom(alone, root=str(folder))
    assert rooted.identity("test") == identity
    assert all(Path(u.audio_path).is_file() for u in rooted.manifest("test", store))


@pytest.mark.parametrize("what", ["text", "speaker", "audio", "added", "gone"])
def test_a_change_of_the_split_changes_its_identity_and_no_other(folder: Path, what: str) -> None:
    before = {split: custom(folder).identity(split) for split in ("train", "test")}
    rows = list(ROWS)
    if what == "audio":
        os.utime(folder / "clips/d.wav", (1, 1))
    elif what == "gone":
        (folder / "clips/d.wav").unlink()
    elif what == "added":
        rows.append("clips/g.wav,dan,test,,M")
    else:
        rows[3] = {"text": "clips/d.wav,dan,test,ran,M", "speaker": "clips/d.wav,eve,test,run,M"}[what]
    write_list(folder / "my.csv", rows)
    assert custom(folder).identity("test") != before["test"]
    assert custom(folder).identity("train") == before["train"]


def test_unusable_recordings_stay_and_are_named_with_their_lines(
    folder: Path, store: ArtifactStore, caplog: pytest.LogCaptureFixture
) -> None:
    (folder / "clips/a.wav").write_bytes(b"")
    (folder / "clips/b.wav").rename(folder / "clips/bb.wav")
    write_list(folder / "my.csv", [*ROWS, "clips/bb.wav,bob,train,stop,M"])
    with caplog.at_level(logging.WARNING):
        train = {u.utterance_id: u for u in custom(folder).manifest("train", store)}
    assert [math.isnan(train[name].duration) for name in ("a", "b", "bb")] == [True, True, False]
    assert "2 of the 3 recordings of the train split will count as failed" in caplog.text
    assert "line 2: clips/a.wav" in caplog.text and "line 3: clips/b.wav" in caplog.text


def test_a_split_without_any_usable_recording_is_a_mistake(folder: Path, store: ArtifactStore) -> None:
    with pytest.raises(UserError, match=r"none of the 2 .* dataset\.root=(.|\n)*missing audio \(2\)"):
        custom(folder, root=str(folder.parent)).manifest("test", store)


def test_mistakes_in_the_list_stop_a_run_and_are_all_told(folder: Path) -> None:
    write_list(folder / "my.csv", [*ROWS, "clips/a.wav,,tset,go,Q"])
    with pytest.raises(UserError) as caught:
        custom(folder).identity("test")
    for words in ("4 places", "line 8", "no speaker_id", "'tset', did you mean 'test'?", "'Q'", "doctor"):
        assert words in str(caught.value)


def test_a_split_that_is_not_listed_is_told(folder: Path) -> None:
    write_list(folder / "my.csv", ROWS[:2])
    with pytest.raises(UserError, match="no recordings of the split 'dev', only of train"):
        custom(folder).identity("dev")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"file": None}, "manifest=<file>"),
        ({"file": "/no/such.csv"}, "/no/such.csv"),
        ({"file": __file__}, "Legal: .csv, .jsonl, .tsv"),
        ({"root": "/no/such"}, "dataset.root"),
    ],
)
def test_what_cannot_be_a_list_is_refused(folder: Path, arguments: dict[str, Any], words: str) -> None:
    with pytest.raises(UserError, match=words.replace(".", r"\.")):
        custom(folder, **arguments)


def test_a_file_spelled_in_the_other_unicode_form_is_found(
    folder: Path, write_tone: Callable[..., Path], store: ArtifactStore
) -> None:
    for number, (disk, row) in enumerate((("NFD", "NFC"), ("NFC", "NFD"))):
        write_tone(folder / unicodedata.normalize(disk, f"é{number}.wav"), 0.3)
        with (folder / "my.csv").open("a") as file:
            file.write(unicodedata.normalize(row, f"é{number}.wav") + ",dan,test,,\n")
    manifest = custom(folder).manifest("test", store)
    assert [u.utterance_id for u in manifest] == ["d", "e", "é0", "é1"]
    assert all(math.isfinite(u.duration) for u in manifest)


def test_hostile_paths_are_files_that_are_not_there(folder: Path, store: ArtifactStore) -> None:
    write_list(folder / "my.csv", [*ROWS, "x" * 5000 + ".wav,dan,test,,", "~nobody/y.wav,dan,test,,"])
    manifest = custom(folder).manifest("test", store)
    assert sum(math.isnan(u.duration) for u in manifest) == 2


def test_splits_may_have_names_of_their_own(folder: Path, store: ArtifactStore) -> None:
    own = [row.replace(",test,", ",eval,").replace(",dev,", ",valid-1,") for row in ROWS]
    write_list(folder / "my.csv", own)
    with pytest.raises(UserError, match="unknown split"):
        custom(folder).identity("test")
    corpus = custom(folder, splits={"dev": "valid-1", "test": ["eval"], "hard": ["eval", "valid-1"]})
    names = {
        split: [u.utterance_id for u in corpus.manifest(split, store)] for split in ("train", "dev", "test")
    }
    assert names == {"train": ["a", "b"], "dev": ["c"], "test": ["d", "e"]}
    assert [u.utterance_id for u in corpus.manifest("hard", store)] == ["c", "d", "e"]
    assert corpus.split_label("test") == "eval" and corpus.split_label("train") == "train"
    assert custom(folder, splits={"test": ["eval", "valid-1"]}).identity("test") != corpus.identity("test")
    with pytest.raises(UserError, match="no recordings of the split 'none'"):
        custom(folder, splits={"dev": "valid-1", "test": "eval", "none": ["nowhere"]}).identity("none")
