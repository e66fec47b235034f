"""Tests of the command `score`: recordings are matched by name and scored, and missing ones are named."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile

from benchmark.data.audio import resample
from benchmark.data.synthesis.espeak import SYNTHESIS_RATE, synthesize
from benchmark.metrics.statistics.intervals import mean_interval
from tests.door import door

SENTENCES = ["Call me later.", "It rained all day.", "We left at noon.", "Who is there?"]
QUIET = ["trainer.progress_bar=false", "threads=1"]
score = partial(door, "score")


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Write four originals, noisy copies of three (20 dB) in another format, and one unrelated recording."""
    monkeypatch.setenv("CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("RESULTS", str(tmp_path / "results"))
    for name in ("originals/deep", "mine", "text"):
        (tmp_path / name).mkdir(parents=True)
    rng = np.random.default_rng(0)
    for number, sentence in enumerate(SENTENCES):
        wav = resample(np.float32(synthesize(sentence, "en-us")) / 2**16, SYNTHESIS_RATE, 16_000)
        soundfile.write(str(tmp_path / f"originals/deep/u{number}.wav"), wav, 16_000)
        (tmp_path / f"text/u{number}.txt").write_text(sentence)
        noise = rng.standard_normal(len(wav)) * np.sqrt(np.mean(wav**2) / 100)
        if number < 3:
            soundfile.write(str(tmp_path / f"mine/u{number}.flac"), wav + noise, 16_000)
    soundfile.write(str(tmp_path / "mine/stranger.flac"), wav, 16_000)
    return tmp_path


@pytest.fixture
def given(folders: Path) -> list[str]:
    return [f"reference={folders / 'originals'}", f"decoded={folders / 'mine'}", *QUIET]


def test_every_pair_is_scored_and_what_is_missing_is_named(
    folders: Path, given: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert score([*given, "metric=[si_sdr,wer]"]) == 0
    table = capsys.readouterr().out
    frame = pd.read_csv(folders / "results/scores/mine.csv").set_index("utterance_id")
    assert list(frame.index) == ["u0", "u1", "u2", "u3"]
    scores = frame["si_sdr"]
    assert scores[:3].between(19.5, 20.5).all() and np.isnan(scores["u3"])
    assert frame.loc["u3", "failure"] == f"not in {folders / 'mine'}"
    interval = mean_interval(scores)
    assert f"{interval.value:.2f} [{interval.lo:.2f}, {interval.hi:.2f}]" in table
    assert "bootstrap over utterances" in table and "has no original: stranger." in table
    assert "1 of 4 utterances failed" in table and "it needs transcripts" in table
    assert "wer" not in frame


def test_transcripts_make_word_errors_and_a_list_tells_the_speakers(
    folders: Path, given: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    lines = [f'originals/deep/u{n}.wav,s{n % 2},"{text}"' for n, text in enumerate(SENTENCES)]
    (folders / "list.csv").write_text("\n".join(["audio_path,speaker_id,text", *lines]) + "\n")
    frames = []
    for text in ("text", "list.csv"):
        output = folders / "own.csv"
        assert score([*given, f"text={folders / text}", "metric=[wer]", f"output={output}"]) == 0
        frames.append(pd.read_csv(output))
    said = capsys.readouterr().out
    assert "bootstrap over utterances" in said and "bootstrap over speakers" in said
    assert list(frames[1]["speaker_id"]) == ["s0", "s1", "s0", "s1"]
    assert list(frames[0]["reference"]) == list(frames[1]["reference"]) == SENTENCES
    pd.testing.assert_series_equal(frames[0]["wer"], frames[1]["wer"])
    assert frames[0]["wer:weight"][:3].tolist() == [3, 4, 4] and frames[0]["wer"].notna().sum() == 3


def test_other_recordings_of_the_same_names_are_scored_anew(folders: Path, given: list[str]) -> None:
    path = folders / "results/scores/mine.csv"
    assert score([*given, "metric=[si_sdr]"]) == 0
    before = pd.read_csv(path)["si_sdr"]
    wav, rate = soundfile.read(folders / "originals/deep/u0.wav")
    soundfile.write(str(folders / "mine/u0.flac"), wav * 0.5 + 0.1 * np.sin(np.arange(len(wav))), rate)
    assert score([*given, "metric=[si_sdr]"]) == 0
    after = pd.read_csv(path)["si_sdr"]
    assert after[0] < before[0] - 1 and after[1:3].tolist() == before[1:3].tolist()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda folder: ["decoded=/no/folder"], ["'/no/folder' is not a folder"]),
        (lambda folder: [f"decoded={folder / 'text'}"], ["holds no file", ".wav, .flac"]),
        (lambda folder: [f"text={folder / 'none.xls'}"], ["none.xls", "folder of .txt files"]),
        (lambda folder: ["metric=[secs]"], ["secs: not of reconstruction", "metric=[pesq"]),
        (lambda folder: ["metric=[wer]"], ["wer: it needs transcripts", "metric=[pesq"]),
        (lambda folder: ["metric=nonsense"], ["nonsense", "survey"]),
    ],
)
def test_mistakes_get_a_sentence(
    change: Callable[[Path], list[str]],
    words: list[str],
    folders: Path,
    given: list[str],
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert score([*given, *change(folders)]) == 1
    error = capsys.readouterr().err
    assert error.startswith("error: ") and all(word in error for word in words)
    assert not (folders / "results").exists()


def test_names_must_be_single_and_in_common(
    folders: Path, given: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    (folders / "mine/u0.wav").write_bytes((folders / "mine/u0.flac").read_bytes())
    assert score(given) == 1 and "have one name" in capsys.readouterr().err
    for path in (folders / "mine").iterdir():
        path.unlink()
    soundfile.write(str(folders / "mine/other.wav"), np.zeros(16_000), 16_000)
    assert score(given) == 1
    error = capsys.readouterr().err
    assert "has the name of one" in error and "other there" in error and "u0, u1, u2, u3 here" in error


def test_both_folders_must_be_given(given: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        score(given[:1])
    assert ended.value.code == 2 and "decoded=FOLDER must be given" in capsys.readouterr().err
