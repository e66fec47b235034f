import librosa
import numpy as np
import pytest

from benchmark.metrics.dtw import warp


@pytest.mark.parametrize("shape", [(1, 1), (1, 6), (6, 1), (5, 8), (80, 70)])
def test_path_is_that_of_librosa_ties_included(shape: tuple[int, int]) -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        first, second = (rng.integers(0, 4, n).astype(float) for n in shape)
        _, path = librosa.sequence.dtw(first, second, backtrack=True)
        rows, columns = warp(np.abs(first[:, None] - second))
        np.testing.assert_array_equal(np.stack((rows, columns), 1), path[::-1])
