import numpy as np
import pytest

from benchmark.tokenizers.position_means import NEIGHBOURS, PositionMeans


def test_a_drift_over_the_window_is_found_and_unseen_positions_take_the_last() -> None:
    rng = np.random.default_rng(0)
    drift = np.sin(np.arange(300) / 100)[:, None] * np.array([[1.0, -3.0]])
    means = PositionMeans(400)
    for _ in range(200):
        length = int(rng.integers(100, 301))
        means.add(drift[:length] + rng.normal(size=(length, 2)), np.arange(length))
    table = means.table()
    assert table.shape == (400, 2) and table.dtype == np.float32
    np.testing.assert_allclose(table[NEIGHBOURS:250], drift[NEIGHBOURS:250], atol=0.15)
    np.testing.assert_array_equal(table[300:], np.tile(table[299], (100, 1)))


def test_one_utterance_does_not_lose_its_own_words() -> None:
    means = PositionMeans(200)
    clicks = np.zeros((200, 1))
    clicks[::10] = 1
    means.add(clicks, np.arange(200))
    assert np.abs(means.table()).max() < 0.2


def test_nothing_added() -> None:
    with pytest.raises(ValueError, match="no feature"):
        PositionMeans(3).table()
