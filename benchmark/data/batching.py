"""Length-bucketed batches whose order depends on the seed and the epoch alone.

Each item comes with its own random number, drawn here and not in the workers, so that crops and
prompts are the same however many workers there are and wherever a killed run was resumed.
"""

from collections.abc import Iterator, Sequence

import numpy as np
from torch.utils.data import Sampler

from benchmark.distributed import own_rows

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
        lengths: Sequence[int],
        batch_size: int,
        batches_per_epoch: int,
        seed: int,
        max_frames: int | None = None,
    ) -> None:
        if not len(lengths):
            raise ValueError("no item to make batches of")
        self.lengths = np.asarray(lengths)
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

    def __len__(self) -> int:
        return self.batches_per_epoch

    def __iter__(self) -> Iterator[list[Draw]]:
        rng = np.random.default_rng((self.seed, self.epoch))
        made = 0
        while True:
            for batch in self._one_pass(rng):
                if made == self.batches_per_epoch:
                    return
                yield list(own_rows([(index, int(rng.integers(2**31))) for index in batch]))
                made += 1

    def _one_pass(self, rng: np.random.Generator) -> list[list[int]]:
        """Every item once: sorted by jittered length, cut into batches, batches shuffled."""
        jitter = self.lengths * rng.uniform(0.9, 1.1, len(self.lengths))
        batches: list[list[int]] = [[]]
        longest = 0
        for index in np.argsort(jitter, kind="stable"):
            longest = max(longest, int(self.lengths[index]))
            full = len(batches[-1]) == self.batch_size
            size = longest * (len(batches[-1]) + 1)
            over = self.max_frames is not None and size > self.max_frames and len(batches[-1]) >= 2
            if full or over:
                batches.append([])
                longest = int(self.lengths[index])
            batches[-1].append(int(index))
        return [batches[i] for i in rng.permutation(len(batches))]


def sorted_batches(lengths: Sequence[int], batch_size: int) -> list[list[int]]:
    """Every index once, longest first, `batch_size` at a time: for inference, where order is free."""
    order = np.argsort(-np.asarray(lengths), kind="stable").tolist()
    return [order[start : start + batch_size] for start in range(0, len(order), batch_size)]


def equal_length_batches(lengths: Sequence[int], batch_size: int) -> list[list[int]]:
    """As `sorted_batches`, but no batch mixes lengths: for models that must not see padding."""
    groups: dict[int, list[int]] = {}
    for index, length in enumerate(lengths):
        groups.setdefault(int(length), []).append(index)
    return [
        group[start : start + batch_size]
        for _, group in sorted(groups.items(), reverse=True)
        for start in range(0, len(group), batch_size)
    ]
