"""Sequences of integers made of codes: of all codebooks in turn or of one, with and without repetitions."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from math import lcm
from typing import Literal, NamedTuple

import numpy as np

Books = Literal["interleaved", "apart"]


class Runs(NamedTuple):
    """A sequence without repetitions.

    Attributes:
        tokens: The sequence with each run of equal periods cut to one period, (N,).
        lengths: Periods in each run (runs,). Without them the durations are lost.
    """

    tokens: np.ndarray
    lengths: np.ndarray


@dataclass(frozen=True)
class Stream:
    """The rule by which the codes of some codebooks make one sequence of integers.

    The codes of a frame follow each other, then those of the next frame. Each codebook has integers of its
    own. A codebook that repeats its codes gives each of them once.

    Attributes:
        books: Codebooks of the sequence.
        sizes: Entries of each of these codebooks.
        strides: Frames for which each of these codebooks repeats a code.
    """

    books: tuple[int, ...]
    sizes: tuple[int, ...]
    strides: tuple[int, ...]

    @property
    def alphabet(self) -> int:
        """Number of different integers."""
        return sum(self.sizes)

    @cached_property
    def period(self) -> int:
        """Tokens after which the order of the codebooks starts again: those of one frame, without strides."""
        longest = lcm(*self.strides)
        return sum(longest // stride for stride in self.strides)

    def sequence(self, codes: np.ndarray) -> np.ndarray:
        """Return the sequence (N,) of one utterance's codes (K, T) of all codebooks."""
        return np.asarray((codes[list(self.books)].T + self._starts)[self._held(codes.shape[1])])

    def codes(self, sequence: np.ndarray, frames: int) -> np.ndarray:
        """Return the codes (len(books), frames) that `sequence` made its integers (N,) of."""
        found = np.zeros((frames, len(self.books)), np.int64)
        found[self._held(frames)] = sequence
        times = np.arange(frames)[:, None]
        return (np.take_along_axis(found, times - times % np.array(self.strides), 0) - self._starts).T

    def deduplicate(self, sequence: np.ndarray) -> Runs:
        """Cut each run of equal periods to one; a part of a period at the end is no repetition."""
        whole = len(sequence) // self.period
        periods = sequence[: whole * self.period].reshape(whole, self.period)
        new = np.ones(whole, bool)
        new[1:] = (periods[1:] != periods[:-1]).any(axis=1)
        lengths = np.diff(np.flatnonzero(new), append=whole)
        return Runs(np.concatenate((periods[new].ravel(), sequence[whole * self.period :])), lengths)

    def repeat(self, runs: Runs) -> np.ndarray:
        """Return the sequence that `deduplicate` cut."""
        kept = len(runs.lengths) * self.period
        periods = runs.tokens[:kept].reshape(-1, self.period)
        return np.concatenate((np.repeat(periods, runs.lengths, axis=0).ravel(), runs.tokens[kept:]))

    @cached_property
    def _starts(self) -> np.ndarray:
        return np.cumsum((0, *self.sizes[:-1]))

    def _held(self, frames: int) -> np.ndarray:
        """Return whether a codebook has a code of its own in a frame, (frames, len(books))."""
        return np.asarray(np.arange(frames)[:, None] % np.array(self.strides) == 0)


def streams(sizes: Sequence[int], strides: Sequence[int], books: Books) -> list[Stream]:
    """Return one stream of all codebooks, or one for each.

    Args:
        sizes: Entries of each codebook.
        strides: Frames for which each codebook repeats a code.
        books: "interleaved" for one stream, "apart" for one for each codebook.
    """
    everything = range(len(sizes))
    groups = [tuple(everything)] if books == "interleaved" else [(book,) for book in everything]
    return [
        Stream(group, tuple(sizes[book] for book in group), tuple(strides[book] for book in group))
        for group in groups
    ]
