"""What a feature owes to its place in the encoder's window, measured on training speech."""

import numpy as np

NEIGHBOURS = 25
"""Positions on either side that a mean is taken over, half a second at 50 Hz: a place seen in few
utterances would else be given their words."""


class PositionMeans:
    """The mean feature of every position, from a stream of utterances.

    An encoder with absolute position embeddings leaves them in its output, and k-means then spends its
    clusters on time: on 80 utterances of LibriSpeech train-clean-100 a code of 256 from Whisper tiny.en told
    3.5 bits of the second it stood in, and 0.9 bits of the sound (one of 64 clusters of MFCC). Without the
    position's mean it was 0.3 and 1.5.
    """

    def __init__(self, positions: int) -> None:
        self._counts = np.zeros(positions)
        self._sums: np.ndarray | None = None

    def add(self, features: np.ndarray, places: np.ndarray) -> None:
        """Count (N, D) features at the positions (N,)."""
        if self._sums is None:
            self._sums = np.zeros((len(self._counts), features.shape[1]))
        np.add.at(self._sums, places, features)
        np.add.at(self._counts, places, 1)

    def table(self) -> np.ndarray:
        """(positions, D) float32; beyond the last position that was seen, the mean of the nearest."""
        if self._sums is None:
            raise ValueError("no feature was added")
        sums, counts = (np.cumsum(np.insert(a, 0, 0, axis=0), axis=0) for a in (self._sums, self._counts))
        centre = np.minimum(np.arange(len(self._counts)), np.flatnonzero(self._counts).max())
        low = np.maximum(centre - NEIGHBOURS, 0)
        high = np.minimum(centre + NEIGHBOURS + 1, len(self._counts))
        total = np.maximum(counts[high] - counts[low], 1)
        return ((sums[high] - sums[low]) / total[:, None]).astype(np.float32)
