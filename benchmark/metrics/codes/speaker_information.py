"""What the codes of an utterance tell of who speaks: a linear classifier on how often each one occurs."""

from collections.abc import Sequence

import numpy as np
from scipy.sparse import csr_array
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_predict

FOLDS = 5
INVERSE_REGULARISATION = 100.0
"""Of histograms whose mean length is one."""
ITERATIONS = 300


class CodeHistograms:
    """Share of every code among those of its codebook, by utterance: each codebook's sum to one."""

    def __init__(self, codebook_sizes: Sequence[int], strides: Sequence[int]) -> None:
        """Sizes of the codebooks, and the frames that each one's code is repeated for."""
        self._starts = np.concatenate(([0], np.cumsum(codebook_sizes)))
        self._strides = tuple(strides)
        self._rows: list[tuple[np.ndarray, np.ndarray]] = []

    def accumulate(self, codes: np.ndarray) -> None:
        """Add one utterance, integers (K, T)."""
        columns, shares = [], []
        for start, stride, row in zip(self._starts, self._strides, codes, strict=False):
            used, counts = np.unique(row[::stride], return_counts=True)
            columns.append(used + start)
            shares.append(counts / max(1, counts.sum()))
        self._rows.append((np.concatenate(columns), np.concatenate(shares)))

    def matrix(self) -> csr_array:
        """(utterances, codes that occur) float64."""
        columns = np.concatenate([columns for columns, _ in self._rows])
        shares = np.concatenate([shares for _, shares in self._rows])
        _, places = np.unique(columns, return_inverse=True)
        ends = np.cumsum([0, *(len(columns) for columns, _ in self._rows)])
        return csr_array((shares, places, ends))


def speaker_hits(histograms: csr_array, speakers: np.ndarray) -> np.ndarray:
    """Whether the speaker of each utterance is recognised by a classifier that has not seen the utterance.

    Multinomial logistic regression, `FOLDS`-fold cross-validation over utterances, each speaker in
    every fold.

    Args:
        histograms: (utterances, codes) from `CodeHistograms`.
        speakers: Of every utterance; two at least, each with `FOLDS` utterances.

    Returns:
        Booleans (utterances,).
    """
    classifier = LogisticRegression(C=INVERSE_REGULARISATION, max_iter=ITERATIONS)
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=0)
    return cross_val_predict(classifier, _coordinates(histograms), speakers, cv=folds) == speakers


def _coordinates(histograms: csr_array) -> np.ndarray:
    """The utterances in the space that they span, of mean length one, (utterances, rank).

    The classifier depends on nothing but their inner products (its penalty is the weights' length),
    and a codebook can have many times more codes than there are utterances.
    """
    products = (histograms @ histograms.T).toarray()
    values, vectors = np.linalg.eigh(products / np.sqrt(products.diagonal()).mean() ** 2)
    spanned = values > 1e-9 * values[-1]
    return vectors[:, spanned] * np.sqrt(values[spanned])
