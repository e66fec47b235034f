"""Length-bucketed batches whose order depends on the seed and the epoch alone.

Each item comes with its own random number, drawn here and not in the workers, so that crops and
prompts are the same however many workers there are and wherever a killed run was resumed.
"""

from collections.abc import Iterator

import numpy as np
from torch.utils.data import Sampler

from benchmark.data.batching import Numbers, cut
from benchmark.training.collectives import own_rows

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
