"""Tests that a list of recordings, its files and its labels for the tasks are checked without a run."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from benchmark.data.audio import write_audio
from tests.door import door

main = partial(door, "doctor")

Doctor = Callable[..., tuple[int, str]]


@pytest.fixture
def doctor(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Doctor:
    def run(rows: list[str], *overrides: str) -> tuple[int, str]:
        path = tmp_path / "my talks.csv"
        path.write_text("\n".join(rows) + "\n")
        for number in range(4):
            write_audio(tmp_path / f"{number}.wav", np.full(3200, 0.1, np.float32))
        status = main(["dataset=custom", f"manifest='{path}'", "tokenizer=mfcc_kmeans", *overrides])
        captured = capsys.readouterr()
        return status, captured.out + captured.err

    return run


GOOD = [
    "audio_path,speaker_id,split,text,intent",
    "0.wav,a,train,go,x",
    "1.wav,b,dev,,x",
    "2.wav,c,test,run,",
]


def test_a_sound_list_lacks_nothing(doctor: Doctor) -> None:
    status, said = doctor(GOOD, "task=codebook_usage")
    assert status == 0
    assert said.splitlines() == [
        "here     tokenizer  mfcc_kmeans",
        "here     corpus     my_talks",
        "",
        "Nothing is missing.",
    ]


def test_labels_count_where_a_task_scores_by_them(doctor: Doctor) -> None:
    status, said = doctor(GOOD, "-m", "task=asr_probe,intent_probe")
    assert status == 1 and said.count("must be mended") == 0
    assert (
        "missing  corpus     my_talks     asr_probe misses labels in 1 places, see below; intent_probe"
        in said
    )
    assert "no text in the dev split (1)\n    line 3" in said
    assert "no intent in the test split (1)\n    line 4" in said
    assert doctor(GOOD, "task=reconstruction", "decoder=vocoder", "vocoder=ctx_vec2wav_mini")[0] == 0


def test_everything_wrong_is_told_in_one_look(
    doctor: Doctor, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "empty.wav").write_bytes(b"")
    (tmp_path / "text.wav").write_text("not audio")
    cut = tmp_path / "cut.flac"
    write_audio(cut, 0.1 * np.random.default_rng(0).standard_normal(32_000))
    cut.write_bytes(cut.read_bytes()[:20_000])
    rows = [
        *GOOD,
        "empty.wav,a,train,hi,x",
        "gone.wav,a,trian,hi,x",
        "text.wav,,train,hi,x",
        "0.wav,a,train,hi,x",
        "cut.flac,a,train,hi,x",
    ]
    status, said = doctor([rows[0] + ",colour", *(row + ",red" for row in rows[1:])], "task=asr_probe")
    assert status == 1 and "must be mended in 7 places, see below" in said
    for words in (
        "line 5: empty.wav",
        "missing audio (1)\n    line 6: gone.wav",
        "line 6: 'trian', did you mean 'train'?",
        "no speaker_id (1)\n    line 7",
        "line 7: text.wav",
        "truncated audio (1)\n    line 9: cut.flac",
        "line 8: '0' is on line 2 as well",
    ):
        assert words in said, (words, said)
    assert "to be checked" in caplog.text and "'colour'" in caplog.text


def test_a_missing_split_is_named(doctor: Doctor) -> None:
    status, said = doctor(["audio_path,speaker_id", "0.wav,a"], "task=codebook_usage")
    assert status == 1 and "no recordings of the split 'train', only of test" in said
    assert doctor(["audio_path,speaker_id", "0.wav,a"], "tokenizer=opus_6k", "task=codebook_usage")[0] == 0


def test_without_a_list_the_next_step_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["dataset=custom"]) == 1
    assert "manifest=<file>" in capsys.readouterr().out


def test_a_list_belongs_to_the_custom_dataset(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["manifest=my.csv"]) == 1
    assert "manifest" in capsys.readouterr().err


def test_a_yaml_of_ones_own_keeps_the_list(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "my.csv").write_text("audio_path,speaker_id\n0.wav,a\n")
    write_audio(tmp_path / "0.wav", np.full(3200, 0.1, np.float32))
    (tmp_path / "dataset").mkdir()
    lines = ["defaults: [custom, _self_]", "name: talks", f"file: {tmp_path / 'my.csv'}"]
    (tmp_path / "dataset/talks.yaml").write_text("\n".join(lines))
    mine = ["--config-dir", str(tmp_path), "dataset=talks", "tokenizer=opus_6k", "task=codebook_usage"]
    assert main(mine) == 0
    assert "here     corpus     talks" in capsys.readouterr().out


def test_several_lists_are_swept_over(doctor: Doctor, tmp_path: Path) -> None:
    doctor(GOOD)
    both = [tmp_path / "my talks.csv", tmp_path / "b.csv"]
    both[1].write_bytes(both[0].read_bytes())
    lists = ",".join(f"'{path}'" for path in both)
    status, said = doctor(GOOD, "-m", f"manifest={lists}", "task=codebook_usage")
    assert status == 0 and "my_talks" in said and "corpus     b\n" in said
