"""Order-1 entropy on held-out speakers: known entropies of independent codes and of Markov chains."""

import time
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from benchmark.metrics.codes.code_metrics import (
    CodeEntropy,
    Codes,
    ConditionalRate,
    EntropyRate,
    NominalRate,
    PermutedRate,
    UsedEntries,
)
from benchmark.metrics.codes.codebook_usage import CodebookUsage
from benchmark.metrics.codes.held_out import HeldOutBigram
from benchmark.metrics.codes.speaker_groups import GROUPS

SPEC: Any = SimpleNamespace(bitrate=400.0, frame_rates=(50.0,))


def used_by(speakers: int, utterances: list[np.ndarray], size: int) -> Codes:
    usage = CodebookUsage((size,))
    for number, codes in enumerate(utterances):
        usage.accumulate(codes[None], f"speaker {number % speakers}")
    return Codes(usage, SPEC)


def chain(size: int, length: int, rng: np.random.Generator) -> tuple[np.ndarray, float]:
    """Return codes of a Markov chain that often stays, and its entropy rate in bits."""
    stay = 0.8
    moves = rng.random(length) > stay
    codes = np.cumsum(np.where(moves, rng.integers(1, size, length), 0)) % size
    bits = -stay * np.log2(stay) - (1 - stay) * np.log2((1 - stay) / (size - 1))
    return codes, float(bits)


@pytest.mark.parametrize(("size", "length"), [(16, 30_000), (256, 152 * 96)])
def test_independent_codes_gain_nothing_from_the_past(size: int, length: int) -> None:
    codes = np.random.default_rng(0).integers(0, size, length)
    known = used_by(6, np.array_split(codes, 96), size)
    order_0, order_1 = EntropyRate().score(known), ConditionalRate().score(known)
    assert order_0 - 0.001 < order_1 < 1.05 * order_0
    assert order_1 == pytest.approx(PermutedRate().score(known), rel=0.01)


@pytest.mark.parametrize("size", [4, 32])
def test_a_chain_has_its_entropy_rate_and_no_less(size: int) -> None:
    codes, bits = chain(size, 200_000, np.random.default_rng(1))
    known = used_by(8, np.array_split(codes, 80), size)
    rate = 0.05 * bits
    assert rate - 0.0005 < ConditionalRate().score(known) < 1.02 * rate
    assert PermutedRate().score(known) > 0.99 * EntropyRate().score(known) > 1.5 * rate


def test_a_small_case_by_hand() -> None:
    # The model of the second speaker knows the pairs (0 1) and (1 0) twice each: it discounts by
    # (0 + 1) / (0 + 2 * 2 + 2) = 1/6, and order 0 is even. The model of the first knows (0 1) and (1 1) once
    # each, and discounts by (2 + 1) / (2 + 2) = 3/4; order 0 knows code 1 twice, and discounts by 1/4.
    pairs = HeldOutBigram(2)
    pairs.add(0, np.array([0, 1, 0, 1, 0]))
    pairs.add(1, np.array([0, 1, 1]))
    even, cut = 1 / 2, 1 / 6
    second = -np.log2((2 - cut) / 2 + cut / 2 * even) - np.log2(cut / 2 * even)
    zero, one = 1 / 16, 15 / 16
    first = -2 * np.log2(1 - 3 / 4 + 3 / 4 * one) - 2 * np.log2(3 / 4 * zero)
    assert pairs.coded.bits == pytest.approx([first, second])
    assert pairs.entropy == pytest.approx((first + second) / 6)


def test_too_few_pairs_or_speakers_have_no_rate_but_a_reason() -> None:
    rng = np.random.default_rng(0)
    few = used_by(6, [rng.integers(0, 4096, 100) for _ in range(12)], 4096)
    assert "codebook 0: 1,188 pairs" in ConditionalRate().absent(few)
    alone = used_by(1, [rng.integers(0, 4, 100) for _ in range(12)], 4)
    assert "no second speaker" in ConditionalRate().absent(alone)
    assert not ConditionalRate().absent(used_by(2, [rng.integers(0, 4, 100) for _ in range(12)], 4))


def test_statistics_of_codes_have_intervals_over_speakers_that_hold() -> None:
    rng = np.random.default_rng(2)
    found, values = [], []
    for _ in range(150):
        habits = rng.dirichlet(np.full(16, 4.0), 6)
        known = used_by(6, [rng.choice(16, 80, p=habit) for habit in habits], 16)
        interval = CodeEntropy().interval(known, (6, 0))
        found.append((interval.lo, interval.hi))
        values.append(interval.value)
    lo, hi = np.transpose(found)
    covered = ((lo <= np.mean(values)) & (np.mean(values) <= hi)).mean()
    assert 0.86 <= covered <= 1.0  # 150 trials at 92 to 97 %
    assert np.isnan(NominalRate().interval(known, (6, 0)).lo)
    rate = ConditionalRate().interval(known, (6, 0))
    assert 0 < rate.lo < rate.value < rate.hi


def test_many_speakers_and_codes_cost_little() -> None:
    rng = np.random.default_rng(0)
    speakers = 3 * GROUPS
    codes = used_by(speakers, list(rng.zipf(1.3, (speakers, 1000)) % 8192), 8192)
    start = time.process_time()
    for metric in (UsedEntries(), CodeEntropy(), ConditionalRate()):
        metric.interval(codes, (speakers, 0))
    assert len(codes.usage.groups) == GROUPS and time.process_time() - start < 5
