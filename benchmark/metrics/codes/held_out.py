"""Entropy of a code given the one before it, by models that have not heard the speakers they are tested on.

Counting how often each pair occurs, and taking the entropy of these shares, is biased low where most pairs
occur once or never: independent codes then seem to predict each other. The cross-entropy of held-out speech
is never below the true entropy, apart from noise.
"""

from functools import cached_property
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from benchmark.metrics.codes.co_occurrence import PairCounts

FEWEST = 10
"""Least number of pairs for each code that occurs."""


class Coded(NamedTuple):
    """Bits that a model needs for held-out codes, and the number of these codes, (groups,) each."""

    bits: np.ndarray
    codes: np.ndarray


class HeldOutBigram:
    """Pairs of successive codes of one codebook by group of speakers."""

    def __init__(self, size: int) -> None:
        """Start counting pairs of codes from 0 to `size` - 1."""
        self._size = size
        self._pairs = PairCounts(size)

    def add(self, group: int, codes: np.ndarray) -> None:
        """Count the pairs of an utterance's codes, integers (T,)."""
        self.__dict__.pop("coded", None)
        self._pairs.add(group * self._size + codes[:-1], codes[1:])

    @property
    def entropy(self) -> float:
        """Cross-entropy in bits per code; NaN if fewer than two groups have pairs."""
        if np.count_nonzero(self.coded.codes) < 2:
            return float("nan")
        return float(self.coded.bits.sum() / self.coded.codes.sum())

    @property
    def too_few(self) -> str:
        """Reason why the pairs are too few for a number; empty where they are not."""
        if np.count_nonzero(self.coded.codes) < 2:
            return "no second speaker to hold out"
        pairs, used = int(self._pairs.counts.sum()), len(np.unique(self._pairs.columns))
        if pairs < FEWEST * used:
            return f"{pairs:,} pairs of successive codes for {used:,} codes, fewer than {FEWEST} each"
        return ""

    @cached_property
    def coded(self) -> Coded:
        """Bits of each group's codes by a model of all other groups.

        The model discounts every count by one amount, estimated from the pairs that occur once and twice
        (Ney, Essen and Kneser 1994, On Structuring Probabilistic Dependences in Stochastic Language
        Modelling). It gives what it took to the order-0 model, which backs off to equal shares likewise.
        """
        size, counts, after = self._size, self._pairs.counts, self._pairs.columns
        group, before = self._pairs.rows // size, self._pairs.rows % size
        ids, place = np.unique(before * size + after, return_inverse=True)
        total = np.bincount(place, counts, len(ids)).astype(np.int64)
        followers = np.bincount(ids // size, minlength=size)
        begun, ended = (np.bincount(codes, counts, size) for codes in (before, after))
        once_twice = np.array([(total == 1).sum(), (total == 2).sum()])
        edges = np.searchsorted(group, np.arange(int(group[-1]) + 2 if len(group) else 1))
        bits, codes = np.zeros(len(edges) - 1), np.zeros(len(edges) - 1)
        for number, own in enumerate(slice(*edge) for edge in pairwise(edges)):
            first, second, mine, whole = before[own], after[own], counts[own], total[place[own]]
            rest = whole - mine
            left = begun - np.bincount(first, mine, size)
            kinds = followers - np.bincount(first[rest == 0], minlength=size)
            changed = [((rest == n).sum() - (whole == n).sum()) for n in (1, 2)]
            cut = _discount(*(once_twice + changed))
            order_0 = discounted_shares(ended - np.bincount(second, mine, size))[second]
            context = np.maximum(left[first], 1)
            given = (np.maximum(rest - cut, 0) + cut * kinds[first] * order_0) / context
            bits[number] = -(mine * np.log2(np.where(left[first] > 0, given, order_0))).sum()
            codes[number] = mine.sum()
        return Coded(bits, codes)


def _discount(once: int, twice: int) -> float:
    """Return the amount to take from every count; adding one and two keeps it between 0 and 1."""
    return float((once + 1) / (once + 2 * twice + 2))


def discounted_shares(counts: np.ndarray) -> np.ndarray:
    """Return discounted shares of codes (V,), with the discount spread equally over all codes."""
    cut, total = _discount((counts == 1).sum(), (counts == 2).sum()), max(counts.sum(), 1)
    rest = 1 - np.maximum(counts - cut, 0).sum() / total
    return np.asarray(np.maximum(counts - cut, 0) / total + rest / len(counts))
