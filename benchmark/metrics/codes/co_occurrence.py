"""Sparse counts of pairs that occur together, and information measures on them, in bounded memory."""

import numpy as np

FLUSH_PAIRS = 1 << 18
"""Pairs that are buffered before they are merged into the counts, to amortise the merging."""


class PairCounts:
    """Counts of pairs (row, column), as sorted ids `row · columns + column`.

    Information measures are plug-in estimates in bits; they are NaN without pairs.
    """

    def __init__(self, columns: int) -> None:
        """Start counting; columns are numbered from 0 to `columns` - 1, rows from 0 upwards."""
        self._columns = columns
        self._ids = np.zeros(0, np.int64)
        self._counts = np.zeros(0, np.int64)
        self._pending: list[np.ndarray] = []
        self._held = 0

    def like(self, ids: np.ndarray, counts: np.ndarray) -> "PairCounts":
        """Return the counts of other pairs over the same columns, given as sorted ids and their counts."""
        other = PairCounts(self._columns)
        other._ids, other._counts = ids[counts > 0], counts[counts > 0]
        return other

    def add(self, rows: np.ndarray, columns: np.ndarray) -> None:
        """Count N pairs, given as integers (N,) and (N,)."""
        self._pending.append(np.asarray(rows, np.int64) * self._columns + columns)
        self._held += len(rows)
        if self._held >= max(FLUSH_PAIRS, len(self._ids)):
            self._flush()

    def _flush(self) -> None:
        if not self._held:
            return
        new_ids, new_counts = np.unique(np.concatenate(self._pending), return_counts=True)
        self._ids, place = np.unique(np.concatenate((self._ids, new_ids)), return_inverse=True)
        merged = np.zeros(len(self._ids), np.int64)
        np.add.at(merged, place, np.concatenate((self._counts, new_counts)))
        self._counts, self._pending, self._held = merged, [], 0

    @property
    def counts(self) -> np.ndarray:
        """Count of every pair that occurs."""
        self._flush()
        return self._counts

    @property
    def rows(self) -> np.ndarray:
        """Row of each of `counts`."""
        self._flush()
        return self._ids // self._columns

    @property
    def columns(self) -> np.ndarray:
        """Column of each of `counts`."""
        self._flush()
        return self._ids % self._columns

    @property
    def row_entropy(self) -> float:
        """H(row)."""
        return entropy(_sums(self.rows, self.counts))

    @property
    def conditional_entropy(self) -> float:
        """H(column | row) = H(row, column) - H(row)."""
        # Rounding may leave a difference of equal sums below zero.
        return float(np.maximum(entropy(self.counts) - self.row_entropy, 0.0))

    @property
    def mutual_information(self) -> float:
        """I(row; column) = H(column) - H(column | row)."""
        return float(np.maximum(entropy(_sums(self.columns, self.counts)) - self.conditional_entropy, 0.0))

    @property
    def row_purity(self) -> float:
        """Share of pairs whose row is the most frequent row of their column."""
        return _purity(self.columns, self.counts)

    @property
    def column_purity(self) -> float:
        """Share of pairs whose column is the most frequent column of their row."""
        return _purity(self.rows, self.counts)


def entropy(counts: np.ndarray) -> float:
    """Compute the plug-in entropy in bits; NaN without observations."""
    total = counts.sum()
    if not total:
        return float("nan")
    probabilities = counts[counts > 0] / total
    return float(-(probabilities * np.log2(probabilities)).sum()) + 0.0


def _sums(groups: np.ndarray, counts: np.ndarray) -> np.ndarray:
    return np.bincount(groups, weights=counts)


def _purity(groups: np.ndarray, counts: np.ndarray) -> float:
    if not len(counts):
        return float("nan")
    largest = np.zeros(groups.max() + 1, np.int64)
    np.maximum.at(largest, groups, counts)
    return float(largest.sum() / counts.sum())
