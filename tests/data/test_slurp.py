import json
import logging
import math
import os
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from benchmark.data.corpora.slurp import Slurp
from benchmark.errors import UserError
from benchmark.storage.artifacts import ArtifactStore


def corpus(root: Path | str, **arguments: Any) -> Slurp:
    return Slurp(name="slurp", root=str(root), **arguments)


def test_reads_sentences_labels_and_speakers(slurp_tree: Path, store: ArtifactStore) -> None:
    manifest = corpus(slurp_tree, recordings="headset").manifest("train", store)
    assert [u.utterance_id for u in manifest] == [
        "00007-audio-11-headset",
        "00012-audio-33",  # no close-talk recording of this sentence
        "00300-audio-44-headset",
    ]
    alarm, weather, music = manifest
    assert (alarm.text, alarm.intent, alarm.scenario) == ("wake me up at eight o'clock", "alarm_set", "alarm")
    assert (alarm.speaker_id, alarm.gender) == ("FO-460", "F")
    assert (weather.speaker_id, weather.gender) == ("UNK-323", None)
    assert music.text == ""
    assert alarm.duration == 0.5
    assert Path(alarm.audio_path) == slurp_tree / "audio" / "slurp_real" / "audio-11-headset.flac"


def test_a_bare_action_gets_its_scenario_back_and_nothing_else_changes(
    slurp_tree: Path, store: ArtifactStore
) -> None:
    read = corpus(slurp_tree)
    assert read.manifest("train", store)["00012-audio-33"].intent == "weather_query"
    assert read.bare_intents("train") == 1
    assert read.bare_intents("test") == 0
    # "audio_volume_mute" holds the scenario already, though more than one underscore.
    assert read.manifest("test", store)["00400-audio-55"].intent == "audio_volume_mute"


def test_an_intent_that_disagrees_with_its_action_is_left_alone(
    slurp_tree: Path, store: ArtifactStore
) -> None:
    path = slurp_tree / "dataset" / "slurp" / "test.jsonl"
    row = json.loads(path.read_text()) | {"intent": "email_sendemail", "scenario": "email", "action": "query"}
    path.write_text(json.dumps(row) + "\n")
    assert next(iter(corpus(slurp_tree).manifest("test", store))).intent == "email_sendemail"


@pytest.mark.parametrize(
    ("recordings", "files"),
    [
        ("headset", ["audio-11-headset", "audio-33", "audio-44-headset"]),
        ("first", ["audio-11", "audio-33", "audio-44-headset"]),
        (
            "all",
            ["audio-11", "audio-11-headset", "audio-22", "audio-22-headset", "audio-33", "audio-44-headset"],
        ),
    ],
)
def test_choice_of_recordings(
    slurp_tree: Path, store: ArtifactStore, recordings: str, files: list[str]
) -> None:
    manifest = corpus(slurp_tree, recordings=recordings).manifest("train", store)
    assert [Path(u.audio_path).stem for u in manifest] == files


def test_all_recordings_are_the_default_and_any_other_choice_is_told(
    slurp_tree: Path, store: ArtifactStore, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    whole, close = corpus(slurp_tree), corpus(slurp_tree, recordings="headset")
    assert whole.split_label("test") == "test" and len(whole.manifest("train", store)) == 6
    assert "6 recordings, 3 by headset, 3 far-field" in caplog.text
    assert close.split_label("test") == "test (one take a sentence, headset where there is one)"
    assert close.split_label("train") == "train"
    assert len(close.manifest("train", store)) == 3
    assert "3 recordings, 2 by headset, 1 far-field" in caplog.text


def test_without_metadata_each_take_is_a_speaker(slurp_tree: Path, store: ArtifactStore) -> None:
    (slurp_tree / "dataset" / "slurp" / "metadata.json").unlink()
    manifest = corpus(slurp_tree, recordings="all").manifest("train", store)
    assert Counter(u.speaker_id for u in manifest) == {
        "unknown-audio-11": 2,  # one take, two microphones
        "unknown-audio-22": 2,
        "unknown-audio-33": 1,
        "unknown-audio-44": 1,
    }
    assert {u.gender for u in manifest} == {None}


def test_missing_and_corrupt_recordings_stay_as_failures(slurp_tree: Path, store: ArtifactStore) -> None:
    audio = slurp_tree / "audio" / "slurp_real"
    (audio / "audio-33.flac").unlink()
    (audio / "audio-44-headset.flac").write_bytes(b"torn")
    manifest = corpus(slurp_tree, recordings="headset").manifest("train", store)
    assert [math.isnan(u.duration) for u in manifest] == [False, True, True]
    assert [u.fingerprint for u in manifest][1:] == ["missing", "damaged:4"]


@pytest.mark.parametrize("place", ["scripts/audio/slurp_real", "slurp_real"])
def test_other_places_of_the_audio(slurp_tree: Path, store: ArtifactStore, place: str) -> None:
    digest = corpus(slurp_tree).manifest("train", store).digest
    (slurp_tree / place).parent.mkdir(exist_ok=True, parents=True)
    (slurp_tree / "audio" / "slurp_real").rename(slurp_tree / place)
    assert corpus(slurp_tree).manifest("train", store).digest == digest


@pytest.mark.parametrize("inside", ["", "slurp_real"])
def test_audio_root_and_annotations_apart(
    slurp_tree: Path, tmp_path: Path, store: ArtifactStore, inside: str
) -> None:
    digest = corpus(slurp_tree).manifest("train", store).digest
    (tmp_path / "sound").mkdir()
    (slurp_tree / "audio" / "slurp_real").rename(tmp_path / "sound" / "flac")
    if inside:
        (tmp_path / "sound" / "flac").rename(tmp_path / "sound" / inside)
    root = tmp_path / "sound" if inside else tmp_path / "sound" / "flac"
    (slurp_tree / "dataset" / "slurp").rename(slurp_tree / "slurp")
    manifest = corpus(slurp_tree, audio_root=str(root)).manifest("train", store)
    assert manifest.digest == digest


def test_the_synthetic_part_joins_training_alone(
    slurp_synth_tree: Path, store: ArtifactStore, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    both = corpus(slurp_synth_tree, train_parts=["synthetic", "real"], recordings="headset")
    manifest = both.manifest("train", store)
    assert (
        "3 recordings, 2 by headset, 1 far-field" in caplog.text and "2 recordings, synthetic" in caplog.text
    )
    assert [u.utterance_id for u in manifest] == [
        "00007-audio-11-headset",
        "00007-synthetic-audio-11",
        "00012-audio-33",
        "00300-audio-44-headset",
        "00900-synthetic-audio-62",
    ]
    weather = manifest["00900-synthetic-audio-62"]
    assert Path(weather.audio_path) == slurp_synth_tree / "audio" / "slurp_synth" / "audio-62.flac"
    assert (weather.intent, weather.text, weather.duration) == ("weather_query", "is it cold", 0.75)
    assert manifest["00007-synthetic-audio-11"].speaker_id == "synthetic-audio-11"  # not FO-460's
    assert both.bare_intents("train") == 2
    only = corpus(slurp_synth_tree, train_parts=["synthetic"], recordings="all").manifest("train", store)
    assert len(only) == 3 and all("synthetic" in u.utterance_id for u in only)
    for split in ("dev", "test"):
        real = corpus(slurp_synth_tree, recordings="headset")
        assert both.identity(split) == real.identity(split)
        assert both.manifest(split, store).digest == real.manifest(split, store).digest


def test_identity_of_training_follows_the_synthetic_part_where_it_is_taken(slurp_synth_tree: Path) -> None:
    def identities() -> list[dict]:
        choices = (("real",), ("synthetic",), ("real", "synthetic"))
        return [corpus(slurp_synth_tree, train_parts=parts).identity("train") for parts in choices]

    before = identities()
    assert before[1] != before[2] and "synthetic" not in before[0]
    assert corpus(slurp_synth_tree, train_parts=["synthetic", "real"]).identity("train") == before[2]
    os.utime(slurp_synth_tree / "audio" / "slurp_synth" / "audio-61.flac", ns=(1, 1))
    assert [a == b for a, b in zip(before, identities(), strict=True)] == [True, False, False]


def test_mistakes_about_the_synthetic_part_say_what_to_do(slurp_synth_tree: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"training data 'synth'.*Did you mean 'synthetic'"):
        corpus(slurp_synth_tree, train_parts=["real", "synth"])
    for parts in ([], ["real", "real"]):
        with pytest.raises(UserError, match=r"each part once, one at least; legal: real, synthetic"):
            corpus(slurp_synth_tree, train_parts=parts)
    both = ["real", "synthetic"]
    for file in (audio := slurp_synth_tree / "audio" / "slurp_synth").iterdir():
        file.rename(audio / f"other-{file.name}")
    with pytest.raises(UserError, match=r"none of the 3 synthetic recordings .*slurp_synth; unpack"):
        corpus(slurp_synth_tree, train_parts=both).build("train", tmp_path)
    audio.rename(tmp_path / "elsewhere")
    with pytest.raises(UserError, match=r"no synthetic SLURP recordings.*train_parts=\[real\]"):
        corpus(slurp_synth_tree, train_parts=both).identity("train")
    (slurp_synth_tree / "dataset" / "slurp" / "train_synthetic.jsonl").unlink()
    with pytest.raises(UserError, match=r"train_synthetic\.jsonl is missing"):
        corpus(slurp_synth_tree, train_parts=both).identity("train")


def test_identity_follows_the_files_and_not_their_place(slurp_tree: Path, tmp_path: Path) -> None:
    identity = corpus(slurp_tree).identity("train")
    assert str(tmp_path) not in str(identity)
    assert corpus(slurp_tree, recordings="headset").identity("train") != identity
    assert corpus(slurp_tree.rename(tmp_path / "moved")).identity("train") == identity
    os.utime(tmp_path / "moved" / "audio" / "slurp_real" / "audio-11.flac", ns=(1, 1))
    changed = corpus(tmp_path / "moved").identity("train")
    assert changed != identity
    (tmp_path / "moved" / "dataset" / "slurp" / "metadata.json").unlink()
    assert corpus(tmp_path / "moved").identity("train") != changed


def test_user_mistakes_say_what_to_do(slurp_tree: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"not set.*SLURP=<root>.*dataset\.root=<root>"):
        corpus("").identity("train")
    with pytest.raises(UserError, match=r"no such folder.*SLURP=<root>"):
        corpus(tmp_path / "nowhere").identity("train")
    with pytest.raises(UserError, match=r"choice of recordings 'near'.*Legal: all, first, headset"):
        corpus(slurp_tree, recordings="near")
    with pytest.raises(UserError, match=r"Legal: dev, test, train"):
        corpus(slurp_tree).identity("devel")
    with pytest.raises(UserError, match=r"holds no SLURP annotations.*it has slurp_real"):
        corpus(slurp_tree / "audio").identity("train")
    (tmp_path / "bare").mkdir()
    with pytest.raises(UserError, match=r"no SLURP recordings.*dataset\.audio_root="):
        corpus(slurp_tree, audio_root=str(tmp_path / "bare")).identity("train")


def test_audio_of_another_corpus_is_a_user_error(slurp_tree: Path, tmp_path: Path, write_tone) -> None:
    write_tone(tmp_path / "other" / "1-2-3.flac")
    with pytest.raises(UserError, match=r"none of the 6 recordings of the train split"):
        corpus(slurp_tree, audio_root=str(tmp_path / "other")).build("train", tmp_path)


@pytest.mark.parametrize(
    ("line", "named"), [('{"slurp_id": 1', "JSON"), ('{"slurp_id": 1}', "sentence"), ("[]", "list")]
)
def test_damaged_annotations_name_file_and_line(
    slurp_tree: Path, tmp_path: Path, line: str, named: str
) -> None:
    path = slurp_tree / "dataset" / "slurp" / "test.jsonl"
    path.write_text(path.read_text() + line + "\n")
    with pytest.raises(UserError, match=rf"test\.jsonl, line 2 .*{named}"):
        corpus(slurp_tree).build("test", tmp_path)
    path.unlink()
    with pytest.raises(UserError, match=r"test\.jsonl is missing"):
        corpus(slurp_tree).identity("test")


def test_the_real_annotations(shared: Path, store: ArtifactStore) -> None:
    real = corpus(shared / "data" / "slurp-tts")
    for split, count in (("train", 300), ("dev", 48), ("test", 96)):
        manifest = real.manifest(split, store)
        assert len(manifest) == count
        assert set(Counter(u.intent for u in manifest).values()) == {count // 6}
        assert all(u.intent == f"{u.scenario}_{str(u.intent).partition('_')[2]}" for u in manifest)
        assert all(u.duration > 0.25 and u.text for u in manifest)
        assert real.bare_intents(split) == 0
