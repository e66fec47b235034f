"""Length-bucketed batches whose order depends on the seed and the epoch alone.

Each item comes with its own random number, drawn here and not in the workers, so that crops and
prompts are the same however many workers there are and wherever a killed run was resumed.
"""

from collections.abc import Iterator, Sequence

import numpy as np
from torch.utils.data import Sampler

from benchmark.distributed import own_rows

Numbers = Sequence[int] | np.ndarray
Draw = tuple[int, int]
"""(index of the item, seed for whatever is drawn at random for it)."""


class BucketBatches(Sampler[list[Draw]]):
    """A fixed number of training batches per epoch, each of utterances of similar length.

    Under several ranks each draws the same batches and yields its own rows of them.

    Args:
        lengths: Frames of every item.
        batch_size: Items per batch at most, over all ranks.
        batches_per_epoch: Length of an epoch, independent of the corpus's size.
        seed: Fixes every epoch.
        max_frames: Frames per batch at most, counting the padding; None for no limit. Two items are
            put together even above it: a batch of one would make a poor gradient of the longest.
    """

    def __init__(
        self,
        lengths: Numbers,
        batch_size: int,
        batches_per_epoch: int,
        seed: int,
        max_frames: int | None = None,
    ) -> None:
        if not len(lengths):
            raise ValueError("no item to make batches of")
        self.lengths = np.asarray(lengths, np.int64)
        self.batch_size = batch_size
        self.batches_per_epoch = batches_per_epoch
        self.seed = seed
        self.max_frames = max_frames
        self.epoch = 0

    @property
    def sampler(self) -> "BucketBatches":
        """Itself: Lightning announces an epoch to the `sampler` of a loader's batch sampler."""
        return self

    def set_epoch(self, epoch: int) -> None:
        """Called by Lightning at the start of every epoch."""
        self.epoch = epoch

    @property
    def batches_per_pass(self) -> int:
        """Batches that hold every item once; under `max_frames` it is that of the first epoch, from which
        others differ by a few, as their jitter does.
        """
        return len(self._one_pass(np.random.default_rng((self.seed, 0))))

    def __len__(self) -> int:
        return self.batches_per_epoch

    def __iter__(self) -> Iterator[list[Draw]]:
        rng = np.random.default_rng((self.seed, self.epoch))
        made = 0
        while True:
            for batch in self._one_pass(rng):
                if made == self.batches_per_epoch:
                    return
                yield list(own_rows([(int(index), int(rng.integers(2**31))) for index in batch]))
                made += 1

    def _one_pass(self, rng: np.random.Generator) -> list[np.ndarray]:
        """Every item once: sorted by jittered length, cut into batches, batches shuffled."""
        jitter = self.lengths * rng.uniform(0.9, 1.1, len(self.lengths))
        batches = cut(np.argsort(jitter, kind="stable"), self.lengths, self.batch_size, self.max_frames)
        return [batches[i] for i in rng.permutation(len(batches))]


def sorted_batches(lengths: Numbers, batch_size: int, max_frames: int | None = None) -> list[list[int]]:
    """Every index once, longest first, cut as by `cut`: for inference, where order is free."""
    lengths = np.asarray(lengths, np.int64)
    order = np.argsort(-lengths, kind="stable")
    return [batch.tolist() for batch in cut(order, lengths, batch_size, max_frames)]


def cut(
    order: np.ndarray, lengths: np.ndarray, batch_size: int, max_frames: int | None = None
) -> list[np.ndarray]:
    """Batches of items that follow one another in `order`, as views of it.

    Args:
        order: Items, those of similar length side by side.
        lengths: Frames of every item.
        batch_size: Items per batch at most.
        max_frames: Frames per batch at most, counting the padding, unless two items have more.
    """
    starts, held, longest = [], batch_size, 0
    for place, index in enumerate(order):
        longest = max(longest, int(lengths[index]))
        over = max_frames is not None and held >= 2 and longest * (held + 1) > max_frames
        if held == batch_size or over:
            starts.append(place)
            held, longest = 0, int(lengths[index])
        held += 1
    return np.split(order, starts[1:]) if starts else []


def equal_length_batches(lengths: Numbers, batch_size: int) -> list[list[int]]:
    """As `sorted_batches`, but no batch mixes lengths: for models that must not see padding."""
    groups: dict[int, list[int]] = {}
    for index, length in enumerate(lengths):
        groups.setdefault(int(length), []).append(index)
    return [
        group[start : start + batch_size]
        for _, group in sorted(groups.items(), reverse=True)
        for start in range(0, len(group), batch_size)
    ]
