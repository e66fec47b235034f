"""Statistics on how fully a tokenizer uses its codebooks and its nominal bitrate."""

from collections.abc import Sequence
from copy import copy

import numpy as np

from benchmark.metrics.codes.co_occurrence import PairCounts, entropy
from benchmark.metrics.codes.held_out import HeldOutBigram
from benchmark.metrics.codes.speaker_groups import GROUPS, SpeakerGroups


class CodebookUsage:
    """Counts of codes and of successive codes, gathered one utterance at a time.

    The order-0 entropy is a plug-in estimate. It is biased low when there are few data for the number of
    codes. Compare it at equal amounts of speech.
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
        self.counts = [np.zeros(size, np.int64) for size in self.codebook_sizes]
        """Occurrences of every code, (V,) for each codebook."""
        self.successions = [HeldOutBigram(size) for size in self.codebook_sizes]
        """Pairs of successive codes of each codebook."""
        self.permuted = [HeldOutBigram(size) for size in self.codebook_sizes]
        """The same with each utterance's codes in random order."""
        self.groups = SpeakerGroups()
        self._by_group = [PairCounts(size) for size in self.codebook_sizes]  # rows are groups, columns codes
        self._equal = np.zeros((GROUPS, len(self.codebook_sizes)), np.int64)
        self._frames, self._repeated, self._followed = np.zeros((3, GROUPS), np.int64)
        self._rng = np.random.default_rng(0)

    def accumulate(self, codes: np.ndarray, speaker: str = "") -> None:
        """Count one utterance.

        Args:
            codes: Integers (K, T). Pairs of codes are counted within the utterance only.
            speaker: Who speaks; intervals and held-out models leave out speakers.

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
        group = self.groups(speaker)
        self._frames[group] += codes.shape[1]
        self._followed[group] += codes.shape[1] - 1
        self._repeated[group] += int((codes[:, 1:] == codes[:, :-1]).all(axis=0).sum())
        for book, (row, stride) in enumerate(zip(codes, self.strides, strict=True)):
            own = row[::stride]
            np.add.at(self.counts[book], own, 1)
            self._by_group[book].add(np.full(len(own), group), own)
            self._equal[group, book] += int((own[1:] == own[:-1]).sum())
            self.successions[book].add(group, own)
            self.permuted[book].add(group, self._rng.permutation(own))

    def without(self, group: int) -> "CodebookUsage":
        """Return the usage without one group of speakers; pairs of successive codes stay as they are."""
        rest = copy(self)
        rest.counts = [counts.copy() for counts in self.counts]
        for counts, known in zip(rest.counts, self._by_group, strict=True):
            own = known.rows == group
            counts[known.columns[own]] -= known.counts[own]
        others = np.arange(GROUPS) != group
        rest._equal = self._equal * others[:, None]
        for name in ("_frames", "_repeated", "_followed"):
            setattr(rest, name, getattr(self, name) * others)
        return rest

    @property
    def frames(self) -> int:
        """Number of frames."""
        return int(self._frames.sum())

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
    def run_length(self) -> list[float]:
        """Mean length of runs of equal codes in each codebook, in tokens; NaN without data."""
        tokens = np.array([counts.sum() for counts in self.counts])
        runs = tokens - self._equal.sum(axis=0)
        return [float(n / r) if r else float("nan") for n, r in zip(tokens, runs, strict=True)]

    @property
    def repeated_fraction(self) -> float:
        """Share of frames whose codes all equal the previous frame's; an utterance's first is not counted."""
        followed = int(self._followed.sum())
        return int(self._repeated.sum()) / followed if followed else float("nan")
