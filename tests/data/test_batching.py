from itertools import islice

import numpy as np
import pytest

from benchmark.data.batching import equal_length_batches, sorted_batches
from benchmark.training import collectives as distributed
from benchmark.training.bucket_sampler import BucketBatches

LENGTHS = np.random.default_rng(0).integers(20, 400, 97).tolist()


def epoch(batches: BucketBatches, number: int) -> list[list[tuple[int, int]]]:
    batches.set_epoch(number)
    return list(batches)


def test_an_epoch_depends_on_seed_and_number_alone() -> None:
    first, second = BucketBatches(LENGTHS, 8, 5, seed=3), BucketBatches(LENGTHS, 8, 5, seed=3)
    epoch(first, 0)  # what was drawn before does not matter
    assert epoch(first, 4) == epoch(second, 4)
    assert epoch(first, 4) != epoch(first, 5)
    assert epoch(first, 4) != epoch(BucketBatches(LENGTHS, 8, 5, seed=4), 4)


def test_a_pass_holds_every_item_once() -> None:
    batches = BucketBatches(LENGTHS, 8, 13, seed=0)
    assert sorted(index for batch in batches for index, _ in batch) == list(range(97))


@pytest.mark.parametrize("per_epoch", [1, 13, 40])
def test_an_epoch_has_as_many_batches_as_it_says(per_epoch: int) -> None:
    batches = BucketBatches(LENGTHS, 8, per_epoch, seed=0)
    assert len(batches) == len(list(batches)) == per_epoch


def test_every_draw_has_its_own_seed() -> None:
    seeds = [seed for batch in BucketBatches(LENGTHS, 8, 40, seed=0) for _, seed in batch]
    assert len(set(seeds)) == len(seeds)


def test_batches_are_of_similar_length_and_come_in_any_order() -> None:
    batches = [[LENGTHS[index] for index, _ in batch] for batch in BucketBatches(LENGTHS, 8, 13, seed=0)]
    padding = sum(len(batch) * max(batch) - sum(batch) for batch in batches) / sum(LENGTHS)
    at_random = np.random.default_rng(0).permutation(LENGTHS)[:96].reshape(12, 8)
    assert padding < 0.2 * (8 * at_random.max(1).sum() / at_random.sum() - 1) + 0.05
    means = [np.mean(batch) for batch in batches]
    assert means != sorted(means)
    assert means != sorted(means, reverse=True)


def test_ascending_batches_are_sorted_by_length_in_every_epoch() -> None:
    batches = BucketBatches(LENGTHS, 8, 13, seed=0, order="ascending")
    first, second = ([[index for index, _ in batch] for batch in epoch(batches, n)] for n in (0, 1))
    assert first == second
    assert [LENGTHS[index] for batch in first for index in batch] == sorted(LENGTHS)


def test_random_batches_hold_every_item_once_and_any_lengths_together() -> None:
    batches = BucketBatches(LENGTHS, 8, 13, seed=0, order="random")
    first, second = ([index for batch in epoch(batches, n) for index, _ in batch] for n in (0, 1))
    assert sorted(first) == sorted(second) == list(range(97)) and first != second
    spread = [np.ptp([LENGTHS[index] for index, _ in batch]) for batch in epoch(batches, 0)]
    bucketed = [np.ptp([LENGTHS[index] for index, _ in batch]) for batch in BucketBatches(LENGTHS, 8, 13, 0)]
    assert np.mean(spread) > 3 * np.mean(bucketed)


def test_max_frames_counts_the_padding() -> None:
    batches = list(BucketBatches(LENGTHS, 8, 60, seed=0, max_frames=900))
    sizes = [len(batch) * max(LENGTHS[index] for index, _ in batch) for batch in batches]
    assert max(sizes) <= 900
    assert max(len(batch) for batch in batches) == 8
    seen = {index for batch in islice(batches, 60) for index, _ in batch}
    assert seen == set(range(97))


@pytest.mark.parametrize("most", [None, 900, 2000])
def test_an_epoch_of_a_pass_s_batches_holds_every_item_once(most: int | None) -> None:
    steps = BucketBatches(LENGTHS, 8, 1, seed=0, max_frames=most).batches_per_pass
    seen = [index for batch in BucketBatches(LENGTHS, 8, steps, 0, most) for index, _ in batch]
    assert sorted(seen) == list(range(97))
    assert steps == 13 if most is None else steps > 13


def test_an_item_above_max_frames_stands_alone() -> None:
    batches = BucketBatches([10, 10, 500], 4, 3, seed=0, max_frames=100)
    assert [2] in [[index for index, _ in batch] for batch in batches]


def test_no_items_are_refused() -> None:
    with pytest.raises(ValueError, match="no item"):
        BucketBatches([], 8, 1, seed=0)


def test_sorted_batches() -> None:
    assert sorted_batches([3, 9, 3, 5, 7], 2) == [[1, 4], [3, 0], [2]]
    assert sorted_batches([], 2) == []
    assert sorted_batches([3, 9, 3, 5, 7, 3], 4, max_frames=18) == [[1, 4], [3, 0, 2], [5]]


def test_equal_length_batches_never_mix() -> None:
    assert equal_length_batches([5, 3, 5, 5, 3, 9], 2) == [[5], [0, 2], [3], [1, 4]]


def test_at_least_two_items_share_a_batch() -> None:
    batches = [
        [index for index, _ in batch] for batch in BucketBatches([400] * 6, 8, 3, seed=0, max_frames=100)
    ]
    assert [len(batch) for batch in batches] == [2, 2, 2]


@pytest.mark.parametrize("world", [2, 3])
def test_ranks_share_every_batch(monkeypatch: pytest.MonkeyPatch, world: int) -> None:
    whole = list(BucketBatches(LENGTHS[:20], 6, 8, seed=3))
    parts = []
    for rank in range(world):
        monkeypatch.setattr(distributed, "rank_and_world", lambda rank=rank: (rank, world))
        parts.append(list(BucketBatches(LENGTHS[:20], 6, 8, seed=3)))
    for batch, *shares in zip(whole, *parts, strict=True):
        if len(batch) >= world:
            assert sorted(draw for share in shares for draw in share) == sorted(batch)
            assert max(map(len, shares)) - min(map(len, shares)) <= 1
        else:
            assert shares == [batch] * world
    assert {len(batch) for batch in whole} == {6, 2}
