"""Information that codes carry about the speaker: a linear classifier on how often each code occurs."""

from collections.abc import Sequence

import numpy as np
from scipy.sparse import csr_array
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_predict

FOLDS = 5
INVERSE_REGULARISATION = 100.0
"""Inverse strength of the penalty, for histograms scaled to a mean length of one."""
ITERATIONS = 300


class CodeHistograms:
    """Relative frequency of every code in an utterance; the frequencies of each codebook sum to one."""

    def __init__(self, codebook_sizes: Sequence[int], strides: Sequence[int]) -> None:
        """Take the size of each codebook, and the number of frames for which it repeats a code."""
        self._starts = np.concatenate(([0], np.cumsum(codebook_sizes)))
        self._strides = tuple(strides)
        self._rows: list[tuple[np.ndarray, np.ndarray]] = []

    def accumulate(self, codes: np.ndarray) -> None:
        """Add one utterance's codes, integers (K, T)."""
        columns, shares = [], []
        for start, stride, row in zip(self._starts, self._strides, codes, strict=False):
            used, counts = np.unique(row[::stride], return_counts=True)
            columns.append(used + start)
            shares.append(counts / max(1, counts.sum()))
        self._rows.append((np.concatenate(columns), np.concatenate(shares)))

    def matrix(self) -> csr_array:
        """Return the histograms, (utterances, codes that occur) float64."""
        columns = np.concatenate([columns for columns, _ in self._rows])
        shares = np.concatenate([shares for _, shares in self._rows])
        _, places = np.unique(columns, return_inverse=True)
        ends = np.cumsum([0, *(len(columns) for columns, _ in self._rows)])
        return csr_array((shares, places, ends))


def speaker_hits(histograms: csr_array, speakers: np.ndarray) -> np.ndarray:
    """Classify the speaker of each utterance by a classifier that has not seen the utterance.

    The classifier is a multinomial logistic regression with `FOLDS`-fold cross-validation over utterances.
    Every fold contains every speaker.

    Args:
        histograms: (utterances, codes) from `CodeHistograms`.
        speakers: Speaker of every utterance (utterances,); at least two, with `FOLDS` utterances each.

    Returns:
        Booleans (utterances,): whether the classifier was right.
    """
    classifier = LogisticRegression(C=INVERSE_REGULARISATION, max_iter=ITERATIONS)
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=0)
    return cross_val_predict(classifier, _coordinates(histograms), speakers, cv=folds) == speakers


def _coordinates(histograms: csr_array) -> np.ndarray:
    """Compute coordinates of the utterances in the space that they span, scaled to a mean length of one.

    A codebook can have many more codes than there are utterances. The classifier depends on inner products
    alone, because its penalty is the length of the weights, so the smaller space gives the same result.

    Returns: (utterances, rank).
    """
    products = (histograms @ histograms.T).toarray()
    values, vectors = np.linalg.eigh(products / np.sqrt(products.diagonal()).mean() ** 2)
    spanned = values > 1e-9 * values[-1]
    return vectors[:, spanned] * np.sqrt(values[spanned])
