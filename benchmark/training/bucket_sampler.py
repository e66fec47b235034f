"""Training batches whose order depends on the seed and the epoch alone.

Each item comes with a random number of its own, drawn here and not in the workers. Crops and prompts are
therefore the same for any number of workers, and after a killed run is resumed.
"""

from collections.abc import Iterator

import numpy as np
from torch.utils.data import Sampler

from benchmark.data.batching import Numbers, Order, cut
from benchmark.training.collectives import own_rows

Draw = tuple[int, int]
"""Index of an item, and the seed of all random choices for it."""


class BucketBatches(Sampler[list[Draw]]):
    """Sampler of a fixed number of training batches per epoch, by default of utterances of similar length.

    With several ranks, every rank draws the same batches and yields its own rows of them.

    Args:
        lengths: Frames of every item.
        batch_size: Maximum number of items per batch, over all ranks.
        batches_per_epoch: Length of an epoch, independent of the size of the corpus.
        seed: Fixes every epoch.
        max_frames: Maximum number of frames per batch, padding counted; None for no limit. Two items are
            batched together even above the limit: a batch of one would make a poor gradient of the longest.
        order: "bucketed" batches items of similar length and shuffles the batches, "random" shuffles the
            items, "ascending" sorts the items by length, in every pass alike.
    """

    def __init__(
        self,
        lengths: Numbers,
        batch_size: int,
        batches_per_epoch: int,
        seed: int,
        max_frames: int | None = None,
        order: Order = "bucketed",
    ) -> None:
        if not len(lengths):
            raise ValueError("no item to make batches of")
        self.lengths = np.asarray(lengths, np.int64)
        self.batch_size = batch_size
        self.batches_per_epoch = batches_per_epoch
        self.seed = seed
        self.max_frames = max_frames
        self.order = order
        self.epoch = 0

    @property
    def sampler(self) -> "BucketBatches":
        """This sampler: Lightning announces an epoch to the `sampler` of a loader's batch sampler."""
        return self

    def set_epoch(self, epoch: int) -> None:
        """Set the epoch; Lightning calls this method at the start of every epoch."""
        self.epoch = epoch

    @property
    def batches_per_pass(self) -> int:
        """Number of batches that hold every item once.

        With `max_frames` it is the number of the first epoch; other epochs differ by a few batches, because
        the jitter of the lengths differs.
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
        """Batch every item once; similar lengths come from sorting by jittered length."""
        if self.order == "random":
            return self._cut(rng.permutation(len(self.lengths)))
        if self.order == "ascending":
            return self._cut(np.argsort(self.lengths, kind="stable"))
        jitter = self.lengths * rng.uniform(0.9, 1.1, len(self.lengths))
        batches = self._cut(np.argsort(jitter, kind="stable"))
        return [batches[i] for i in rng.permutation(len(batches))]

    def _cut(self, order: np.ndarray) -> list[np.ndarray]:
        return cut(order, self.lengths, self.batch_size, self.max_frames)
