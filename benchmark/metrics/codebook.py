"""How much of its codebooks, and of its nominal bitrate, a tokenizer really uses."""

from collections.abc import Sequence

import numpy as np

FLUSH_FRAMES = 1 << 20
"""Frames held before they are counted; bounds the memory and amortises the merging of pair counts."""


class CodebookUsage:
    """Counts of codes and of successive codes, gathered one utterance at a time.

    The entropies are plug-in estimates. They are biased low when data are short against the number
    of codes (order 0) or of pairs of codes (order 1): compare them at equal amounts of speech.
    """

    def __init__(self, codebook_sizes: Sequence[int], strides: Sequence[int] | None = None) -> None:
        """Start counting.

        Args:
            codebook_sizes: Entries of each codebook.
            strides: Frames that each codebook's code is repeated for; it is then counted once.
        """
        self.codebook_sizes = tuple(codebook_sizes)
        self.strides = tuple(strides or (1,) * len(self.codebook_sizes))
        self.frames = 0
        self._counts = [np.zeros(size, np.int64) for size in self.codebook_sizes]
        self._pairs = [_PairCounts(size) for size in self.codebook_sizes]
        self._repeated = 0
        self._successions = 0
        self._pending: list[np.ndarray] = []
        self._pending_frames = 0

    def accumulate(self, codes: np.ndarray) -> None:
        """Count one utterance.

        Args:
            codes: Integers (K, T). Pairs of codes never reach across utterances.

        Raises:
            ValueError: wrong number of codebooks, or a code outside its codebook.
        """
        if codes.ndim != 2 or len(codes) != len(self.codebook_sizes):
            raise ValueError(f"codes {codes.shape} are not ({len(self.codebook_sizes)}, T)")
        if not codes.shape[1]:
            return
        codes = np.array(codes, dtype=np.int64)  # a copy: the caller may reuse its array
        if codes.min() < 0 or np.any(codes.max(axis=1) >= self.codebook_sizes):
            raise ValueError(f"codes from {codes.min()} to {codes.max()} exceed {self.codebook_sizes}")
        self.frames += codes.shape[1]
        self._successions += codes.shape[1] - 1
        self._repeated += int((codes[:, 1:] == codes[:, :-1]).all(axis=0).sum())
        self._pending.append(codes)
        self._pending_frames += codes.shape[1]
        if self._pending_frames >= max(FLUSH_FRAMES, *(len(pairs.ids) for pairs in self._pairs)):
            self._flush()

    def _flush(self) -> None:
        if not self._pending:
            return
        for book, (counts, pairs) in enumerate(zip(self._counts, self._pairs, strict=True)):
            rows = [codes[book, :: self.strides[book]] for codes in self._pending]
            counts += np.bincount(np.concatenate(rows), minlength=len(counts))
            pairs.add(np.concatenate([row[:-1] * len(counts) + row[1:] for row in rows]))
        self._pending, self._pending_frames = [], 0

    @property
    def counts(self) -> list[np.ndarray]:
        """Occurrences of every code, (V,) for each codebook: the histogram."""
        self._flush()
        return self._counts

    @property
    def used_fraction(self) -> list[float]:
        """Share of each codebook's entries that occur at all."""
        return [float((counts > 0).mean()) for counts in self.counts]

    @property
    def dead_codes(self) -> list[int]:
        """Entries of each codebook that never occur."""
        return [int((counts == 0).sum()) for counts in self.counts]

    @property
    def entropy(self) -> list[float]:
        """Order-0 entropy of each codebook's codes in bits per token; NaN without data."""
        return [_entropy(counts) for counts in self.counts]

    @property
    def perplexity(self) -> list[float]:
        """2 to the power of the order-0 entropy: as many equally likely codes would be as uncertain."""
        return [2.0**bits for bits in self.entropy]

    @property
    def conditional_entropy(self) -> list[float]:
        """Entropy of a code given the one before it in its codebook, bits per token; NaN without pairs."""
        self._flush()
        return [pairs.conditional_entropy() for pairs in self._pairs]

    @property
    def repeated_fraction(self) -> float:
        """Share of frames whose codes all equal those of the frame before, of all that have one before."""
        return self._repeated / self._successions if self._successions else float("nan")


class _PairCounts:
    """Sparse counts of successive codes, as sorted pair ids `previous · size + next`."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.ids = np.zeros(0, np.int64)
        self.counts = np.zeros(0, np.int64)

    def add(self, pairs: np.ndarray) -> None:
        new_ids, new_counts = np.unique(pairs, return_counts=True)
        self.ids, place = np.unique(np.concatenate((self.ids, new_ids)), return_inverse=True)
        merged = np.zeros(len(self.ids), np.int64)
        np.add.at(merged, place, np.concatenate((self.counts, new_counts)))
        self.counts = merged

    def conditional_entropy(self) -> float:
        """H(next | previous) = H(previous, next) - H(previous)."""
        previous = np.bincount(self.ids // self.size, weights=self.counts, minlength=self.size)
        # Rounding may leave a difference of equal sums below zero.
        return float(np.maximum(_entropy(self.counts) - _entropy(previous), 0.0))


def _entropy(counts: np.ndarray) -> float:
    """Plug-in entropy in bits; NaN for no observations."""
    total = counts.sum()
    if not total:
        return float("nan")
    probabilities = counts[counts > 0] / total
    return float(-(probabilities * np.log2(probabilities)).sum()) + 0.0
