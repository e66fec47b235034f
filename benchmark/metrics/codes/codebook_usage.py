"""Statistics on how fully a tokenizer uses its codebooks and its nominal bitrate."""

from collections.abc import Sequence

import numpy as np

from benchmark.metrics.codes.co_occurrence import PairCounts, entropy


class CodebookUsage:
    """Counts of codes and of successive codes, gathered one utterance at a time.

    The entropies are plug-in estimates. They are biased low when there are few data for the number of codes
    (order 0) or of pairs of codes (order 1). Compare them at equal amounts of speech.
    """

    def __init__(self, codebook_sizes: Sequence[int], strides: Sequence[int] | None = None) -> None:
        """Start counting.

        Args:
            codebook_sizes: Entries of each codebook.
            strides: Frames for which each codebook repeats a code; repetitions are not counted. None
                for one frame each.
        """
        self.codebook_sizes = tuple(codebook_sizes)
        self.strides = tuple(strides or (1,) * len(self.codebook_sizes))
        self.frames = 0
        self.counts = [np.zeros(size, np.int64) for size in self.codebook_sizes]
        """Occurrences of every code, (V,) for each codebook."""
        self._pairs = [PairCounts(size) for size in self.codebook_sizes]
        self._repeated = 0
        self._successions = 0

    def accumulate(self, codes: np.ndarray) -> None:
        """Count one utterance.

        Args:
            codes: Integers (K, T). Pairs of codes are counted within the utterance only.

        Raises:
            ValueError: the number of codebooks is wrong, or a code lies outside its codebook.
        """
        if codes.ndim != 2 or len(codes) != len(self.codebook_sizes):
            raise ValueError(f"codes have shape {codes.shape}; expected ({len(self.codebook_sizes)}, T)")
        if not codes.shape[1]:
            return
        codes = codes.astype(np.int64, copy=False)
        if codes.min() < 0 or np.any(codes.max(axis=1) >= self.codebook_sizes):
            raise ValueError(
                f"codes range from {codes.min()} to {codes.max()}, beyond codebooks of {self.codebook_sizes}"
            )
        self.frames += codes.shape[1]
        self._successions += codes.shape[1] - 1
        self._repeated += int((codes[:, 1:] == codes[:, :-1]).all(axis=0).sum())
        for row, stride, counts, pairs in zip(codes, self.strides, self.counts, self._pairs, strict=True):
            np.add.at(counts, row[::stride], 1)
            pairs.add(row[::stride][:-1], row[::stride][1:])

    @property
    def used_fraction(self) -> list[float]:
        """Share of each codebook's entries that occur."""
        return [float((counts > 0).mean()) for counts in self.counts]

    @property
    def dead_codes(self) -> list[int]:
        """Number of each codebook's entries that never occur."""
        return [int((counts == 0).sum()) for counts in self.counts]

    @property
    def entropy(self) -> list[float]:
        """Order-0 entropy of each codebook's codes, in bits per token; NaN without data."""
        return [entropy(counts) for counts in self.counts]

    @property
    def perplexity(self) -> list[float]:
        """2 to the power of the order-0 entropy: the number of equally likely codes with that entropy."""
        return [2.0**bits for bits in self.entropy]

    @property
    def conditional_entropy(self) -> list[float]:
        """Entropy of a code given the previous one in its codebook, in bits per token; NaN without pairs."""
        return [pairs.conditional_entropy for pairs in self._pairs]

    @property
    def run_length(self) -> list[float]:
        """Mean length of runs of equal codes in each codebook, in tokens; NaN without data."""
        tokens = np.array([counts.sum() for counts in self.counts])
        runs = tokens - [pairs.equal for pairs in self._pairs]
        return [float(n / r) if r else float("nan") for n, r in zip(tokens, runs, strict=True)]

    @property
    def repeated_fraction(self) -> float:
        """Share of frames whose codes all equal the previous frame's; an utterance's first is not counted."""
        return self._repeated / self._successions if self._successions else float("nan")
