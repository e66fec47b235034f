import math
import os
from pathlib import Path

import pytest

from benchmark.data.corpora.librispeech import LibriSpeech
from benchmark.data.manifest import Manifest
from benchmark.errors import UserError
from benchmark.storage.artifacts import ArtifactStore

SPLITS = {"train": ["train-clean-100"], "test": ["test-other"]}


def corpus(root: Path | str, splits: dict[str, list[str]] = SPLITS, **arguments: int) -> LibriSpeech:
    return LibriSpeech(name="librispeech", root=str(root), splits=splits, **arguments)


def speakers(manifest: Manifest) -> set[str]:
    return {utterance.speaker_id for utterance in manifest}


def test_reads_the_published_layout(librispeech_tree: Path, store: ArtifactStore) -> None:
    manifest = corpus(librispeech_tree).manifest("train", store)
    assert [u.utterance_id for u in manifest] == [
        f"{s}-7-000{i}" for s in (101, 102, 103, 104) for i in (0, 1)
    ]
    one = manifest["102-7-0001"]
    assert one.text == "hello speaker's words 1"
    assert one.speaker_id == "102"
    assert one.gender == "F"
    assert manifest["103-7-0000"].gender == "M"
    assert one.duration == 1.5
    assert one.language == "en"
    assert one.intent is None
    assert Path(one.audio_path) == librispeech_tree / "train-clean-100" / "102" / "7" / "102-7-0001.flac"


def test_root_may_be_the_parent(librispeech_tree: Path, store: ArtifactStore) -> None:
    inside = corpus(librispeech_tree).manifest("test", store)
    above = corpus(librispeech_tree.parent).manifest("test", store)
    assert inside.digest == above.digest
    assert len(above) == 2


def test_missing_and_empty_transcripts_are_told_apart(librispeech_tree: Path, store: ArtifactStore) -> None:
    folder = librispeech_tree / "test-other" / "201" / "7"
    (folder / "201-7.trans.txt").write_text("201-7-0000\n")
    manifest = corpus(librispeech_tree).manifest("test", store)
    assert manifest["201-7-0000"].text == ""
    assert manifest["201-7-0001"].text is None
    (folder / "201-7.trans.txt").unlink()
    assert [u.text for u in corpus(librispeech_tree).manifest("test", store)] == [None, None]


def test_the_first_of_two_transcripts_counts_and_that_is_told(
    librispeech_tree: Path, store: ArtifactStore, caplog: pytest.LogCaptureFixture
) -> None:
    path = librispeech_tree / "test-other" / "201" / "7" / "201-7.trans.txt"
    lines = path.read_text().splitlines()
    path.write_text("\n".join([*lines, lines[1], "201-7-0000 SOMETHING ELSE"]) + "\n")
    manifest = corpus(librispeech_tree).manifest("test", store)
    assert manifest["201-7-0000"].text == "hello speaker's words 0"
    assert "test-other: 1 utterances have two transcripts" in caplog.text and "201-7-0000" in caplog.text


def test_without_speakers_txt_gender_is_unknown(librispeech_tree: Path, store: ArtifactStore) -> None:
    (librispeech_tree / "SPEAKERS.TXT").unlink()
    assert {u.gender for u in corpus(librispeech_tree).manifest("train", store)} == {None}


def test_a_corrupt_flac_and_a_dangling_link_stay_as_failures(
    librispeech_tree: Path, store: ArtifactStore
) -> None:
    folder = librispeech_tree / "test-other" / "201" / "7"
    (folder / "201-7-0000.flac").write_bytes(b"no flac at all")
    (folder / "201-7-0002.flac").symlink_to(folder / "nowhere.flac")
    manifest = corpus(librispeech_tree).manifest("test", store)
    assert [math.isnan(u.duration) for u in manifest] == [True, False, True]
    assert manifest["201-7-0000"].fingerprint == "damaged:14"
    assert manifest["201-7-0002"].fingerprint == "missing"


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_held_out_speakers_leave_train_and_are_balanced(
    librispeech_tree: Path, store: ArtifactStore, seed: int
) -> None:
    held = corpus(librispeech_tree, {**SPLITS, "dev": []}, holdout_speakers=2, seed=seed)
    train, dev = held.manifest("train", store), held.manifest("dev", store)
    assert speakers(train) | speakers(dev) == {"101", "102", "103", "104"}
    assert not speakers(train) & speakers(dev)
    assert sorted(str(u.gender) for u in dev) == ["F", "F", "M", "M"]
    assert dev.digest == corpus(librispeech_tree, holdout_speakers=2, seed=seed).manifest("dev", store).digest


def test_seed_chooses_the_held_out_speakers(librispeech_tree: Path, store: ArtifactStore) -> None:
    chosen = {
        frozenset(speakers(corpus(librispeech_tree, holdout_speakers=2, seed=s).manifest("dev", store)))
        for s in range(8)
    }
    assert len(chosen) > 1


def test_identity_follows_the_files_and_not_their_place(librispeech_tree: Path, tmp_path: Path) -> None:
    identity = corpus(librispeech_tree).identity("train")
    assert corpus(librispeech_tree.parent).identity("train") == identity
    assert str(tmp_path) not in str(identity)
    assert corpus(librispeech_tree, holdout_speakers=1).identity("train") != identity
    assert corpus(librispeech_tree, holdout_speakers=1).identity("test") == corpus(librispeech_tree).identity(
        "test"
    )
    os.utime(librispeech_tree / "train-clean-100" / "101" / "7" / "101-7-0000.flac", ns=(1, 1))
    assert corpus(librispeech_tree).identity("train") != identity


def test_rows_name_the_subsets_they_are_tested_on(librispeech_tree: Path) -> None:
    assert corpus(librispeech_tree).split_label("test") == "test-other"
    both = corpus(librispeech_tree, {"test": ["test-clean", "test-other"]})
    assert both.split_label("test") == "test-clean+test-other"
    assert both.split_label("train") == "train"


def test_a_corpus_that_moved_is_read_where_it_is(librispeech_tree: Path, store: ArtifactStore) -> None:
    before = corpus(librispeech_tree).manifest("test", store)
    moved = librispeech_tree.rename(librispeech_tree.with_name("LS"))
    after = corpus(moved).manifest("test", store)
    assert after.digest == before.digest
    assert all(Path(u.audio_path).is_file() for u in after)


def test_user_mistakes_say_what_to_do(librispeech_tree: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"not set.*LIBRISPEECH=<root>.*dataset\.root=<root>"):
        corpus("").identity("train")
    with pytest.raises(UserError, match=r"/nowhere'.*LIBRISPEECH=<root>"):
        corpus(tmp_path / "nowhere").identity("train")
    with pytest.raises(UserError, match=r"no LibriSpeech subset 'dev-clean'.*test-other, train-clean-100"):
        corpus(librispeech_tree, {"dev": ["dev-clean"]}).identity("dev")
    with pytest.raises(UserError, match=r"Legal: test, train"):
        corpus(librispeech_tree).identity("tset")
    with pytest.raises(UserError, match=r"dataset\.holdout_speakers="):
        corpus(librispeech_tree).identity("dev")
    with pytest.raises(UserError, match=r"both listed .* and held out"):
        corpus(librispeech_tree, {**SPLITS, "dev": ["dev-clean"]}, holdout_speakers=2).identity("train")
    with pytest.raises(UserError, match=r"'test-other' is in the splits 'train' and 'test'"):
        corpus(librispeech_tree, {"train": ["test-other"], "test": ["test-other"]}).identity("test")
    with pytest.raises(UserError, match=r"holdout_speakers=4 leaves none of the 4"):
        corpus(librispeech_tree, holdout_speakers=4).build("dev", tmp_path)
    (librispeech_tree / "dev-other" / "1" / "2").mkdir(parents=True)
    with pytest.raises(UserError, match=r"holds no \.flac"):
        corpus(librispeech_tree, {"test": ["dev-other"]}).identity("test")


def test_the_real_part_of_the_corpus(shared: Path, store: ArtifactStore) -> None:
    real = corpus(shared / "data", holdout_speakers=16)
    test, train, dev = (real.manifest(split, store) for split in ("test", "train", "dev"))
    assert (len(test), len(speakers(test))) == (60, 6)
    assert all(u.text and u.text == u.text.lower() and 1 < u.duration < 36 for u in test)
    assert len(train) + len(dev) == 170
    assert (len(speakers(train)), len(speakers(dev))) == (154, 16)
    assert not (speakers(train) | speakers(dev)) & speakers(test)
    assert sorted(str(u.gender) for u in dev) == ["F"] * 8 + ["M"] * 8
    assert all(u.text is None and u.gender in ("F", "M") for u in train)
