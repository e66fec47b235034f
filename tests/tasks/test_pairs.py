"""Tests of conversion pairs: conditions in turn, voices equally often, no self-prompts, fixed lists."""

import math
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmark.data.manifest import Manifest
from benchmark.errors import UserError
from benchmark.metrics.conditions import CONDITIONS
from benchmark.tasks.decoding.conversion_pairs import ANY_SPEAKER, Pairing, read_pairs
from benchmark.tasks.decoding.pairing import make_pairs
from benchmark.types import Utterance

THREE = ("same_gender", "cross_gender", "cross_lingual")


def utterance(
    name: str, speaker: str, gender: str | None = None, language: str = "en", duration: float = 2.0
) -> Utterance:
    return Utterance(name, f"{name}.wav", speaker, duration, name, language=language, gender=gender)


GENDERS = {"s0": "F", "s1": "F", "s2": "M", "s3": "M", "s4": "F", "s5": "M"}


@pytest.fixture
def sources() -> Manifest:
    return Manifest(utterance(f"{s}-{i}", s, g) for s, g in GENDERS.items() for i in range(9))


@pytest.fixture
def abroad() -> list[Utterance]:
    return [
        utterance(f"{s}-{x}{i}", s, g, x) for s, g in GENDERS.items() for x in ("de", "fr") for i in range(2)
    ]


def pairing(
    sources: Manifest, pool: list[Utterance], conditions: tuple[str, ...] = THREE, seed: int = 0
) -> Pairing:
    return make_pairs(sources, pool, {}, conditions, seed)


def test_each_source_has_one_pair_that_meets_its_condition(
    sources: Manifest, abroad: list[Utterance]
) -> None:
    pool = {u.utterance_id: u for u in (*sources, *abroad)}
    made = pairing(sources, list(pool.values()))
    assert [pair.source_id for pair in made.pairs] == [u.utterance_id for u in sources]
    assert made.left_out == {}
    for pair in made.pairs:
        source, target = sources[pair.source_id], pool[pair.target_id]
        assert target.speaker_id == pair.target_speaker != source.speaker_id
        if pair.condition == "cross_lingual":
            assert target.language != source.language
        else:
            assert target.language == source.language
            assert (target.gender == source.gender) is (pair.condition == "same_gender")


def test_conditions_speakers_languages_and_recordings_serve_evenly(
    sources: Manifest, abroad: list[Utterance]
) -> None:
    made = pairing(sources, [*sources, *abroad])
    assert set(Counter(pair.condition for pair in made.pairs).values()) == {18}
    by_source = Counter((sources[p.source_id].speaker_id, p.condition) for p in made.pairs)
    assert set(by_source.values()) == {3}
    by_target = Counter((pair.target_speaker, pair.condition) for pair in made.pairs)
    assert set(by_target.values()) <= {2, 3, 4}
    languages = Counter(p.target_id.split("-")[1][:2] for p in made.pairs if p.condition == "cross_lingual")
    assert languages == {"de": 9, "fr": 9}
    at_home = Counter(pair.target_id for pair in made.pairs if pair.condition != "cross_lingual")
    assert max(at_home.values()) == 1


def test_few_sources_start_with_different_conditions(sources: Manifest, abroad: list[Utterance]) -> None:
    made = pairing(sources.subset(6), [*sources, *abroad])
    assert made.counts() == {"cross_gender": 2, "cross_lingual": 2, "same_gender": 2}
    one = pairing(sources.subset(1), [*sources, *abroad])
    assert one.left_out == dict.fromkeys(THREE[1:], "too few sources for all conditions")


def test_the_seed_alone_decides(sources: Manifest, abroad: list[Utterance]) -> None:
    pool = [*sources, *abroad]
    first = pairing(sources, pool)
    again = pairing(Manifest(reversed(list(sources))), pool[::-1])
    assert again == first and again.digest == first.digest
    other = pairing(sources, pool, seed=1)
    assert other.digest != first.digest and other.counts() == first.counts()


def test_what_a_corpus_cannot_do_is_left_out_with_the_reason(sources: Manifest) -> None:
    made = pairing(sources, list(sources))
    assert made.left_out == {"cross_lingual": "no recordings in another language"}
    assert made.counts() == {"cross_gender": 27, "same_gender": 27}  # they share cross_lingual's turns
    nobody = Manifest(utterance(f"{s}-{i}", s) for s in "ab" for i in range(2))
    unknown = pairing(nobody, list(nobody))
    assert unknown.left_out["same_gender"] == "the genders of the speakers are not known"
    assert unknown.counts() == {ANY_SPEAKER: 4}
    women = Manifest(utterance(f"{s}-{i}", s, "F") for s in "ab" for i in range(2))
    assert pairing(women, list(women)).left_out["cross_gender"] == "no two speakers of different genders"
    alone = Manifest([utterance("x", "a", "F"), utterance("y", "a", "F")])
    assert pairing(alone, list(alone)).pairs == ()
    assert pairing(alone, list(alone)).left_out["cross_gender"] == "there is one speaker only"


def test_an_unreadable_recording_prompts_nobody(sources: Manifest) -> None:
    damaged = utterance("s0-damaged", "s0", "F", duration=math.nan)
    made = pairing(sources, [*sources, damaged])
    assert "s0-damaged" not in {pair.target_id for pair in made.pairs}
    only = pairing(sources, [damaged])
    assert only.pairs == ()


def test_self_takes_another_recording_of_the_speaker(sources: Manifest) -> None:
    prompts = {
        u.utterance_id: sources[f"{u.speaker_id}-0"] for u in sources if not u.utterance_id.endswith("-0")
    }
    made = make_pairs(sources, list(sources), prompts, ("self", "cross_gender"), 0)
    for pair in made.pairs:
        assert (pair.condition == "self") is (pair.target_speaker == sources[pair.source_id].speaker_id)
        assert pair.target_id != pair.source_id
    assert {p.target_id for p in made.pairs if p.condition == "self"} == {f"{s}-0" for s in GENDERS}


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str], Path]:
    def write(text: str) -> Path:
        path = tmp_path / "pairs.csv"
        path.write_text(text)
        return path

    return write


def test_a_list_is_read_as_it_was_written(
    sources: Manifest, abroad: list[Utterance], write: Callable[[str], Path]
) -> None:
    pool = {u.utterance_id: u for u in (*sources, *abroad)}
    made = pairing(sources, list(pool.values()))
    head, *lines = made.to_csv().splitlines()
    assert head == "source_id,target_id,target_speaker,condition"
    again = read_pairs(write("\n".join([head, *reversed(lines)]) + "\n"), sources, pool)
    assert again.pairs == made.pairs and again.digest == made.digest


@pytest.mark.parametrize(
    ("line", "story"),
    [
        ("nobody,s1-0,s1,same_gender", "unknown source: nobody"),
        ("s0-1,nobody,s1,same_gender", "unknown target: nobody"),
        ("s0-0,s1-1,s1,same_gender", "source listed twice: s0-0"),
        ("s0-1,s0-1,s0,self", "prompted by itself: s0-1"),
        ("s0-1,s1-0,s1,gender", "condition not of same_gender, .*: gender"),
        ("s0-1,s1-0,s2,same_gender", "target of another speaker: s1-0"),
        ("s0-1,s1-0,s1,cross_gender", "condition does not hold: s0-1"),
        ("s0-1,s0-2,s0,same_gender", "condition does not hold: s0-1"),
        ("s0-1,s1-0,s1", "needs the columns source_id,target_id,target_speaker,condition"),
    ],
)
def test_an_impossible_list_names_its_ids(
    sources: Manifest, write: Callable[[str], Path], line: str, story: str
) -> None:
    pool = {u.utterance_id: u for u in sources}
    head = "source_id,target_id,target_speaker,condition\ns0-0,s1-0,s1,same_gender\n"
    assert len(read_pairs(write(head), sources, pool).pairs) == 1
    with pytest.raises(UserError, match=story):
        read_pairs(write(head + line + "\n"), sources, pool)


def test_a_missing_or_empty_list_is_a_users_mistake(sources: Manifest, write: Callable[[str], Path]) -> None:
    with pytest.raises(UserError, match=r"/no/pairs\.csv.*speech-token-benchmark pairs"):
        read_pairs(Path("/no/pairs.csv"), sources, {})
    with pytest.raises(UserError, match="it has no pair"):
        read_pairs(write("source_id,target_id,target_speaker,condition\n"), sources, {})


def test_a_gender_that_the_corpus_does_not_know_may_be_in_the_list(write: Callable[[str], Path]) -> None:
    unknown = Manifest(utterance(f"{s}-0", s) for s in "ab")
    path = write("source_id,target_id,target_speaker,condition\na-0,b-0,b,cross_gender\n")
    assert read_pairs(path, unknown, {u.utterance_id: u for u in unknown}).counts() == {"cross_gender": 1}


def test_every_condition_has_a_meaning() -> None:
    assert tuple(CONDITIONS) == (*THREE, "self")
