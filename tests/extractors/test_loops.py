"""Loops in transcripts: what is one, what is not, and what is left of it."""

import zlib

import pytest

from benchmark.extractors.asr.loops import compression_ratio, cut_loops, loops
from tests.extractors.many_token_texts import ARTICLE_1

SENTENCES = {
    "en": "All human beings are born free and equal in dignity and rights.",
    "es": "Todos los seres humanos nacen libres e iguales en dignidad y derechos.",
    "ru": "Все люди рождаются свободными и равными в своем достоинстве и правах.",
    "hi": "सभी मनुष्यों को गौरव और अधिकारों के मामले में जन्मजात स्वतन्त्रता और समानता प्राप्त है।",
    "bn": "সমস্ত মানুষ স্বাধীনভাবে সমান মর্যাদা এবং অধিকার নিয়ে জন্মগ্রহণ করে।",
    "zh": "人人生而自由,在尊严和权利上一律平等。",
    "th": "มนุษย์ทั้งหลายเกิดมามีอิสระและเสมอภาคกันในเกียรติศักดิ์และสิทธิ",
}
TAMIL = ARTICLE_1["ta"]
SAID = (
    "",
    "No, no, no!",
    "Never, never, never, never, never.",  # King Lear
    "Here, sir; here, sir; here, sir; here, sir.",  # Romeo and Juliet
    "There she blows! There she blows! There she blows!",  # Moby-Dick
    "Of the bells, bells, bells, bells, bells, bells, bells.",  # Poe
    "哈哈哈哈哈哈",
    "Nein, nein, nein, das war nicht so.",
    *ARTICLE_1.values(),
    *SENTENCES.values(),
)


@pytest.mark.parametrize("text", SAID)
def test_what_people_repeat_stays(text: str) -> None:
    assert not loops(text) and cut_loops(text) == text


@pytest.mark.parametrize("sentence", SENTENCES.values(), ids=SENTENCES)
@pytest.mark.parametrize("copies", [2, 3, 20])
def test_a_sentence_said_again_is_left_once(sentence: str, copies: int) -> None:
    looped = " ".join([sentence] * copies)
    assert loops(looped) and cut_loops(looped) == sentence


def test_a_copy_may_differ_in_case_and_punctuation_and_be_cut_short() -> None:
    looped = "The key was in the lock, I think. the Key was in the lock? I think, the key was in"
    assert loops(looped) and cut_loops(looped) == "The key was in the lock, I think"


def test_what_surrounds_a_loop_stays() -> None:
    looped = f"He said: {'la ' * 12}and then he left."
    assert loops(looped) and cut_loops(looped) == "He said: la and then he left."


def test_a_loop_whose_copies_differ_ends_where_it_compresses_too_well() -> None:
    looped = "We counted. " + ", ".join(f"chapter {number}" for number in range(1, 90))
    assert loops(looped)
    left = cut_loops(looped)
    assert not loops(left) and looped.startswith(left) and left.startswith("We counted. chapter 1, chapter 2")
    assert len(left) < len(looped) / 2
    assert cut_loops("…" * 500) == ""


def test_the_ratio_is_that_of_whisper_for_ascii_and_no_property_of_a_script() -> None:
    english = SENTENCES["en"].encode()
    assert compression_ratio(SENTENCES["en"]) == len(english) / len(zlib.compress(english))
    assert len(TAMIL.encode()) / len(zlib.compress(TAMIL.encode())) > 2.4 > compression_ratio(TAMIL)
    assert compression_ratio("人" * 30 + "a" * 300) > 2.4
