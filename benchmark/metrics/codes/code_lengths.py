"""Bits of an ideal code that is made from the counts of one split and used on another.

Unlike the entropy of the counts themselves, these lengths are not too short where data are few.
"""

from collections.abc import Sequence

import numpy as np

from benchmark.metrics.codes.held_out import discounted_shares


def order_0_bits(counts: np.ndarray, sizes: Sequence[int]) -> np.ndarray:
    """Return the bits of each integer (Σ sizes,) by how often it occurs among those of its codebook.

    Args:
        counts: Occurrences of each integer (Σ sizes,); integers that never occur share a discount.
        sizes: Integers of each codebook. Which codebook comes next is known, and costs nothing.
    """
    books = np.split(np.asarray(counts), np.cumsum(sizes)[:-1])
    return np.concatenate([-np.log2(discounted_shares(book)) for book in books])


def run_bits(counts: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Return the bits of each run length (runs,) by how often it occurs.

    One more run is added to the counts, divided among all lengths by the code of Elias (1975, Universal
    Codeword Sets and Representations of the Integers), gamma. So every length has a finite number of bits.

    Args:
        counts: Occurrences of each length (longest + 1,), those of length 0 first.
        lengths: Lengths to encode, from 1 up.
    """
    known = np.zeros(len(lengths))
    inside = lengths < len(counts)
    known[inside] = np.asarray(counts)[lengths[inside]]
    gamma = np.exp2(-2 * np.floor(np.log2(lengths)) - 1)
    return np.asarray(np.log2(np.sum(counts) + 1) - np.log2(known + gamma))
