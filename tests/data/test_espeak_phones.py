"""Times of the phones that eSpeak NG speaks, and phones of texts."""

import numpy as np
import pytest

from benchmark.data.corpora.synthetic import SPEAKERS, Synthetic
from benchmark.data.synthesis.espeak import SYNTHESIS_RATE, synthesize, synthesize_with_onsets
from benchmark.data.synthesis.espeak_phones import PAUSE, phone_spans, spell

TEXT = "please turn off the lights, in the kitchen"
PHONES = [*"pl", "iː", "z", "t", "ɜː", *"nɔfðəl", "aɪ", *"tsɪnðəkɪ", "tʃ", *"ən"]
VOICES = [speaker for group in SPEAKERS.values() for speaker in group]


@pytest.mark.parametrize("speaker", VOICES, ids=lambda s: s.name)
def test_events_leave_the_samples_as_they_are(speaker) -> None:
    arguments = (TEXT, speaker.accent, speaker.variant, speaker.rate, speaker.pitch)
    samples, onsets = synthesize_with_onsets(*arguments)
    assert samples.tobytes() == synthesize(*arguments).tobytes()
    assert len(onsets) > len(PHONES)
    assert 0 < onsets[0][1] < onsets[-1][1] <= len(samples)


@pytest.mark.parametrize("variant", ["m4", "f2"], ids=["dry", "with echo"])
def test_phones_are_those_of_the_text_and_a_stop_begins_with_its_closure(variant: str) -> None:
    names, starts, samples = phone_spans(TEXT, "en-us", variant, 150, 50)
    assert [name for name in names if name != PAUSE] == PHONES == spell([TEXT], "en-us")[0]
    assert PAUSE in names[15:-10]  # the comma
    assert (np.diff(starts) >= 0).all() and starts[-1] <= samples
    onset = dict(synthesize_with_onsets(TEXT, "en-us", variant, 150, 50)[1])
    closure = (onset["tʃ"] - starts[names.index("tʃ")]) / SYNTHESIS_RATE
    assert 0.03 < closure < 0.07
    assert starts[names.index("ɜː")] == onset["ˈɜː"]  # no pause lies before a vowel within a word


def test_a_fricative_is_where_the_high_frequencies_are() -> None:
    names, starts, samples = phone_spans("a sa sa", "en-us", "m4", 150, 50)
    speech = synthesize("a sa sa", "en-us", "m4", 150, 50).astype(float)
    ends = np.append(starts[1:], samples)

    def highness(start: int, end: int) -> float:
        return float(np.square(np.diff(speech[start:end])).sum() / np.square(speech[start:end]).sum())

    values = {
        kind: [highness(s, e) for name, s, e in zip(names, starts, ends, strict=True) if name in kind]
        for kind in (("s",), ("ɐ", "æ", "ɑː", "ə"))
    }
    low, high = max(values["ɐ", "æ", "ɑː", "ə"]), min(values[("s",)])
    assert len(values[("s",)]) == 2 and high > 3 * low


def test_the_glide_between_two_vowels_is_no_pause() -> None:
    names, *_ = phone_spans("the studio", "en-us", "m1", 150, 50)
    assert "".join(name or "|" for name in names).rstrip("|") == "ðəstuːdɪoʊ"


def test_every_sentence_of_the_corpus_has_the_phones_that_its_text_is_spelled_with() -> None:
    corpus = Synthetic(name="synthetic", test_utterances=12)
    for speaker, sentence, _ in corpus._script("test"):
        names, *_ = phone_spans(sentence.spoken, speaker.accent, speaker.variant, speaker.rate, speaker.pitch)
        assert [name for name in names if name != PAUSE] == spell([sentence.spoken], speaker.accent)[0]


def test_spelling_reads_on_after_a_comma_and_knows_numbers_and_nothing() -> None:
    assert spell(["at seven, please", "7", ""], "en-us") == [
        [*"ætsɛvənpl", "iː", "z"],
        list("sɛvən"),
        [],
    ]
