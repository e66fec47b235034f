"""Information of codes about phones and speakers, in cases solved by hand or by another formula."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import mutual_info_score
from sklearn.model_selection import StratifiedKFold, cross_val_predict

from benchmark.metrics.codes import co_occurrence as pair_counts
from benchmark.metrics.codes.codebook_usage import CodebookUsage
from benchmark.metrics.codes.phone_information import PhoneInformation
from benchmark.metrics.codes.speaker_information import (
    FOLDS,
    INVERSE_REGULARISATION,
    ITERATIONS,
    CodeHistograms,
    speaker_hits,
)
from benchmark.metrics.codes.usage_growth import UsageGrowth


def information(codes: list[int], phones: str, size: int = 8) -> PhoneInformation:
    book = PhoneInformation(size)
    book.accumulate(np.array(codes), list(phones))
    return book


def measures(book: PhoneInformation) -> tuple[float, float, float]:
    return book.shares


def test_a_perfect_code_and_one_with_two_codes_a_phone() -> None:
    assert measures(information([3, 3, 1, 1, 0], "aabbc")) == pytest.approx((1, 1, 1))
    assert measures(information([0, 1, 2, 3], "aabb")) == pytest.approx((1, 0.5, 1))


def test_a_case_by_hand() -> None:
    # Codes 0 0 1 | 1 1 2 of phones a a a | b b b. By code: 2 of 2, 2 of 3 and 1 of 1 tokens are of the most
    # frequent phone; by phone 2 of 3 and 2 of 3. H(phone) = 1; code 1 leaves H(1/3) in half of the tokens.
    left = -(np.log2(1 / 3) / 3 + 2 * np.log2(2 / 3) / 3) / 2
    assert measures(information([0, 0, 1, 1, 1, 2], "aaabbb")) == pytest.approx((5 / 6, 4 / 6, 1 - left))


def test_one_code_tells_nothing_and_one_phone_has_nothing_to_tell() -> None:
    assert measures(information([5, 5, 5, 5], "aabc")) == pytest.approx((0.5, 1, 0))
    assert np.isnan(information([0, 1], "aa").shares.pnmi) and np.isnan(information([0, 1], "aa").chance)
    assert np.isnan(measures(PhoneInformation(4))).all()


def test_shuffled_codes_tell_nothing_and_chance_says_what_short_data_add() -> None:
    rng = np.random.default_rng(0)
    phones = rng.choice(list("abcdefgh"), 50_000)
    shuffled = PhoneInformation(16)
    shuffled.accumulate(rng.integers(0, 16, len(phones)), phones.tolist())
    assert shuffled.shares.pnmi < 0.002 and shuffled.shares.phone_purity < 0.15
    short = PhoneInformation(512)
    short.accumulate(rng.integers(0, 512, 1000), phones[:1000].tolist())
    assert short.shares.pnmi > 0.5 and short.chance == pytest.approx(short.shares.pnmi, abs=0.03)


def test_in_pieces_it_is_what_a_full_table_of_all_tokens_gives(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pair_counts, "FLUSH_PAIRS", 7)
    rng = np.random.default_rng(1)
    numbers = rng.integers(0, 5, 400)
    codes = (numbers * 3 + rng.integers(0, 6, 400)) % 20
    book = PhoneInformation(20)
    for place in np.array_split(np.arange(400), 23):
        book.accumulate(codes[place], ["abcde"[number] for number in numbers[place]])
    joint = np.zeros((5, 20))
    np.add.at(joint, (numbers, codes), 1 / 400)
    known = -(joint.sum(1) * np.log(joint.sum(1))).sum()
    expected = joint.max(0).sum(), joint.max(1).sum(), mutual_info_score(numbers, codes) / known
    assert measures(book) == pytest.approx(expected)


def test_measures_without_a_speaker_are_those_of_the_others() -> None:
    rng = np.random.default_rng(4)
    whole, others = PhoneInformation(8), PhoneInformation(8)
    for speaker in "abcab":
        codes, phones = rng.integers(0, 8, 60), rng.choice(list("xyz"), 60).tolist()
        whole.accumulate(codes, phones, speaker)
        if speaker != "b":
            others.accumulate(codes, phones, speaker)
    without = whole.shares_without_each()
    assert len(without) == 3 and without[1] == pytest.approx(others.shares)
    assert without[0] != pytest.approx(whole.shares)


def test_histograms_count_each_codebook_for_itself_and_repeated_codes_once() -> None:
    histograms = CodeHistograms((4, 3), strides=(1, 2))
    histograms.accumulate(np.array([[0, 0, 3, 3], [2, 2, 1, 1]]))
    histograms.accumulate(np.array([[3, 3], [2, 2]]))
    # Columns are codes 0 and 3 of the first book, 1 and 2 of the second; codes that never occur have none.
    assert histograms.matrix().toarray().tolist() == [[0.5, 0.5, 0.5, 0.5], [0, 1, 0, 1]]


@pytest.mark.parametrize(("told", "low", "high"), [(True, 1.0, 1.0), (False, 0.05, 0.45)])
def test_speakers_are_told_apart_where_their_codes_differ(told: bool, low: float, high: float) -> None:
    rng = np.random.default_rng(2)
    speakers = np.repeat(["ada", "bob", "cy", "dee"], 12)
    habits = {speaker: rng.dirichlet(np.ones(32)) for speaker in sorted(set(speakers))}
    histograms = CodeHistograms((32,), (1,))
    for speaker in speakers:
        habit = habits[speaker] if told else habits["ada"]
        histograms.accumulate(rng.choice(32, (1, 150), p=habit))
    hits = speaker_hits(histograms.matrix(), speakers)
    assert hits.shape == (48,) and low <= hits.mean() <= high


def test_the_speaker_classifier_is_the_one_on_the_histograms_themselves() -> None:
    rng = np.random.default_rng(3)
    speakers = np.repeat(["ada", "bob", "cy"], 8)
    histograms = CodeHistograms((200,), (1,))
    for place, _ in enumerate(speakers):
        histograms.accumulate(rng.integers(0, 100 + place, (1, 60)))
    rows = histograms.matrix().toarray()
    plain = LogisticRegression(C=INVERSE_REGULARISATION, max_iter=ITERATIONS)
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=0)
    scaled = rows / np.linalg.norm(rows, axis=1).mean()
    expected = cross_val_predict(plain, scaled, speakers, cv=folds) == speakers
    assert 0 < expected.sum() < len(speakers)
    assert speaker_hits(histograms.matrix(), speakers).tolist() == expected.tolist()


def test_growth_is_looked_at_after_twice_the_speech_and_at_the_end() -> None:
    usage = CodebookUsage((8,))
    growth = UsageGrowth(usage, frame_rate=1)
    for code in range(5):  # 15 seconds each
        usage.accumulate(np.full((1, 15), code))
        growth.look()
    growth.look(last=True)
    growth.look(last=True)
    assert [3600 * hours for hours in growth.curve["hours"]] == pytest.approx([15, 30, 60, 75])
    assert growth.curve["used"] == pytest.approx([1 / 8, 2 / 8, 4 / 8, 5 / 8])
    assert growth.curve["perplexity"] == pytest.approx([1, 2, 4, 5])
    for length in (200, 30, 300):  # 275, 305 and 605 seconds: the next points are due at 480 and 960
        usage.accumulate(np.full((1, length), 7))
        growth.look()
    assert [3600 * hours for hours in growth.curve["hours"][4:]] == pytest.approx([275, 605])
