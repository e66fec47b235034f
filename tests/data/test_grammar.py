from collections import Counter

import pytest

from benchmark.data.synthesis.grammar import RESIDUES, SCENARIOS, intents, sentences
from benchmark.data.synthesis.multilingual import SENTENCES
from benchmark.errors import UserError

COUNTS = {"train": 480, "dev": 60, "test": 96}


@pytest.fixture(scope="module")
def drawn() -> dict[str, list]:
    return {split: sentences(split, count, seed=0) for split, count in COUNTS.items()}


def test_intents_are_scenario_and_action_and_come_in_turn(drawn: dict[str, list]) -> None:
    assert len(intents()) == len(set(intents())) == 12
    assert len(SCENARIOS) == 4
    for split, count in COUNTS.items():
        assert [s.intent for s in drawn[split]] == intents() * (count // 12)
        assert all(s.intent.startswith(f"{s.scenario}_") and s.scenario in SCENARIOS for s in drawn[split])


def test_no_sentence_is_in_two_splits_or_twice_in_one() -> None:
    # The draw that comes nearest to the whole of a split.
    texts = [
        s.text
        for split, count in (("train", 1800), ("dev", 180), ("test", 180))
        for s in sentences(split, count, 1)
    ]
    assert len(texts) == len(set(texts)) == 2160


def test_sentences_are_five_to_ten_lower_case_words(drawn: dict[str, list]) -> None:
    for sentence in (s for split in drawn.values() for s in split):
        assert 5 <= len(sentence.text.split()) <= 10
        assert set(sentence.text) <= set("abcdefghijklmnopqrstuvwxyz' ")
        assert sentence.spoken.replace(",", "") == sentence.text


def test_every_word_of_dev_and_test_is_in_train(drawn: dict[str, list]) -> None:
    words = {split: {word for s in found for word in s.text.split()} for split, found in drawn.items()}
    assert words["dev"] | words["test"] <= words["train"]
    assert 120 <= len(words["train"]) <= 180


def test_word_order_decides(drawn: dict[str, list]) -> None:
    """Sentences of different intents that consist of the very same words are common."""
    bags: dict[tuple[str, ...], set[str]] = {}
    texts = sentences("train", 1800, seed=0)
    for sentence in texts:
        bags.setdefault(tuple(sorted(sentence.text.split())), set()).add(sentence.intent)
    ambiguous = sum(len(bags[tuple(sorted(s.text.split()))]) > 1 for s in texts)
    assert ambiguous > 0.1 * len(texts)
    # And more than a third of the test sentences hold the key words of two intents.
    both_keys = sum(
        len({i for i, keys in SCENARIOS[s.scenario].keys.items() if set(keys) & set(s.text.split())}) > 1
        for s in drawn["test"]
    )
    assert both_keys >= 0.35 * len(drawn["test"])


def test_draw_depends_on_the_seed_alone() -> None:
    assert sentences("test", 50, seed=3) == sentences("test", 50, seed=3)
    assert sentences("test", 50, seed=3) != sentences("test", 50, seed=4)
    assert Counter(s.intent for s in sentences("test", 50, seed=3)).most_common()[-1][1] == 4


def test_unknown_split_and_too_many_sentences_are_user_errors() -> None:
    with pytest.raises(UserError, match="Did you mean 'test'"):
        sentences("tests", 12, 0)
    with pytest.raises(UserError, match="the grammar has"):
        sentences("test", 100_000, 0)
    assert set(RESIDUES) == set(COUNTS)
    assert sorted(r for residues in RESIDUES.values() for r in residues) == list(range(8))


def test_other_languages_have_two_dozen_different_sentences() -> None:
    assert set(SENTENCES) == {"de", "fr", "es"}
    for texts in SENTENCES.values():
        assert len(set(texts)) == len(texts) == 24
        assert all(
            text == text.lower() and text.replace(" ", "").replace("'", "").isalpha() for text in texts
        )
