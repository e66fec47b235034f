"""Length reduction against counts by hand: rates, bits, codebooks of different rates, end of the curve."""

from collections import Counter
from itertools import groupby
from typing import NamedTuple

import numpy as np
import pytest

from benchmark.metrics.codes.code_lengths import order_0_bits
from benchmark.tasks.base import RunContext
from benchmark.tokenizers.reduction.byte_pairs import BytePairs
from tests.tasks.conftest import Halves
from tests.tasks.loudness import Loudness, TwoRates, task, tokens_of, values

LOUD = Loudness(name="loud")


class Coded(NamedTuple):
    """Codes of each utterance (T,), and the seconds of the test split."""

    train: list[np.ndarray]
    test: list[np.ndarray]
    seconds: float


@pytest.fixture
def coded(halves: Halves, context: RunContext) -> Coded:
    train, test = (tokens_of(LOUD, halves, split, context) for split in ("train", "test"))
    seconds = sum(u.duration for u in halves.manifest("test", context.store))
    return Coded([train[name][0] for name in train], [test[name][0] for name in test], seconds)


def cut(split: list[np.ndarray]) -> list[np.ndarray]:
    """Return the codes without repetitions."""
    return [np.array([code for code, _ in groupby(codes)]) for codes in split]


def run_lengths(split: list[np.ndarray]) -> list[int]:
    return [len(list(run)) for codes in split for _, run in groupby(codes)]


def encoded(merges: BytePairs, split: list[np.ndarray]) -> list[np.ndarray]:
    return [merges.encode(codes) for codes in split]


def total(split: list[np.ndarray]) -> int:
    return sum(map(len, split))


def bits(train: list[np.ndarray], test: list[np.ndarray], size: int) -> float:
    """Return the bits of the test split by how often each of `size` integers occurs in the train split."""
    counts = np.bincount(np.concatenate(train), minlength=size)
    return float(order_0_bits(counts, (size,))[np.concatenate(test)].sum())


def test_rates(halves: Halves, context: RunContext, coded: Coded) -> None:
    found = values(task().run(LOUD, halves, context))
    assert found["rate_codes"] == pytest.approx(total(coded.test) / coded.seconds)
    assert found["rate_dedup"] == pytest.approx(total(cut(coded.test)) / coded.seconds)
    merges = BytePairs.learn(coded.train, 12, 40)
    for size in (20, 40):
        count = total(encoded(merges.first(size), coded.test))
        assert found[f"rate_bpe_{size}"] == pytest.approx(count / coded.seconds)
    short = BytePairs.learn(cut(coded.train), 12, 40)
    count = total(encoded(short, cut(coded.test)))
    assert found["rate_dedup_bpe_40"] == pytest.approx(count / coded.seconds)


def test_bits(halves: Halves, context: RunContext, coded: Coded) -> None:
    found = values(task().run(LOUD, halves, context))
    kilo = 1000 * coded.seconds
    assert found["bits_codes"] == pytest.approx(bits(coded.train, coded.test, 12) / kilo)
    assert found["bits_dedup"] == pytest.approx(bits(cut(coded.train), cut(coded.test), 12) / kilo)
    merges = BytePairs.learn(coded.train, 12, 40)
    both = encoded(merges, coded.train), encoded(merges, coded.test)
    assert found["bits_bpe"] == pytest.approx(bits(*both, merges.vocabulary) / kilo)
    lengths = run_lengths(coded.train)
    known = Counter(lengths)
    shares = [
        (known[length] + 2.0 ** (1 - 2 * length.bit_length())) / (len(lengths) + 1)
        for length in run_lengths(coded.test)
    ]
    assert found["bits_runs"] - found["bits_dedup"] == pytest.approx(-np.log2(shares).sum() / kilo)


def test_books_of_different_rates(halves: Halves, context: RunContext, coded: Coded) -> None:
    both = TwoRates(name="both", books=2)
    turns, apart = (task(books=books).run(both, halves, context) for books in ("interleaved", "apart"))
    tokens = tokens_of(both, halves, "test", context)
    codes, together, alone = 0, 0, 0
    for name in tokens:
        slow, fast = tokens[name][0][::2].tolist(), tokens[name][1].tolist()
        codes += len(slow) + len(fast)
        alone += sum(1 for book in (slow, fast) for _ in groupby(book))
        periods = [(slow[i], *fast[2 * i : 2 * i + 2]) for i in range(len(fast) // 2)]
        together += 3 * sum(1 for _ in groupby(periods)) + 2 * (len(fast) % 2)
    assert values(turns)["rate_codes"] == values(apart)["rate_codes"] == pytest.approx(codes / coded.seconds)
    assert values(turns)["rate_dedup"] == pytest.approx(together / coded.seconds)
    assert values(apart)["rate_dedup"] == pytest.approx(alone / coded.seconds)
    told = {measure.metric: measure.definition for measure in turns.measures}
    assert "a slower one once per code of its own" in told["rate_codes"]
    assert "frames of the slowest codebook" in told["rate_dedup"]


def test_the_curve_is_cut_where_the_merges_end(halves: Halves, context: RunContext, coded: Coded) -> None:
    outcome = task(vocabularies=[14, 9000, 9001]).run(LOUD, halves, context)
    whole, short = (BytePairs.learn(split, 12, 9001) for split in (coded.train, cut(coded.train)))
    curve = outcome.notes["rates_by_vocabulary"]
    ends = short.vocabulary, whole.vocabulary
    assert curve["vocabulary"] == [12, 14, *ends] and 14 < ends[0] < ends[1] < 9000
    at = [total(encoded(whole.first(end), coded.test)) for end in ends]
    assert [rate * coded.seconds for rate in curve["bpe"][2:]] == pytest.approx(at)
    assert curve["dedup_bpe"][2] * coded.seconds == pytest.approx(total(encoded(short, cut(coded.test))))
    assert curve["dedup_bpe"][3] is None
