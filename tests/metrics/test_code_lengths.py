"""Tests of ideal code lengths: they are lengths of a code, and near the entropy where data are plenty."""

import numpy as np
import pytest

from benchmark.metrics.codes.co_occurrence import entropy
from benchmark.metrics.codes.code_lengths import order_0_bits, run_bits


def test_lengths_of_each_codebook_are_those_of_a_code() -> None:
    counts = np.array([5, 0, 3, 0, 0, 100, 1])
    bits = order_0_bits(counts, (3, 4))
    assert np.exp2(-bits[:3]).sum() == pytest.approx(1) and np.exp2(-bits[3:]).sum() == pytest.approx(1)
    assert np.isfinite(bits).all() and bits[1] > bits[2] > bits[0]


def test_codes_of_the_counts_cost_their_entropy_where_there_are_many() -> None:
    counts = np.random.default_rng(0).integers(1_000, 100_000, 50)
    bits = order_0_bits(counts, (50,))
    assert (counts * bits).sum() / counts.sum() == pytest.approx(entropy(counts), rel=1e-4)


def test_nothing_learned_means_equal_lengths() -> None:
    assert order_0_bits(np.zeros(8), (8,)) == pytest.approx([3.0] * 8)
    assert order_0_bits(np.array([7]), (1,)) == pytest.approx([0.0])


def test_run_lengths_by_hand() -> None:
    """Three runs of 1 and one of 2; gamma takes 1 bit for 1, and 3 bits for 2 and 3."""
    counts = np.array([0, 3, 1])
    expected = [(3 + 1 / 2) / 5, (1 + 1 / 8) / 5, (1 / 8) / 5, (1 / 32) / 5]
    assert run_bits(counts, np.array([1, 2, 3, 4])) == pytest.approx(-np.log2(expected))


def test_all_run_lengths_together_are_a_code() -> None:
    shares = np.exp2(-run_bits(np.array([0, 3, 1]), np.arange(1, 1 << 16)))
    assert shares.sum() == pytest.approx(1, abs=1e-4) and shares.sum() < 1
    assert run_bits(np.zeros(1, int), np.array([1])) == pytest.approx([1.0])
