"""Labelled tokens of a split, and their padded batches."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple, TypeVar

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from benchmark.data.batching import sorted_batches
from benchmark.models.probes.config import ProbeConfig
from benchmark.models.probes.frontend import PADDING
from benchmark.storage.id_table import ID
from benchmark.storage.token_store import TokenStore
from benchmark.training.bucket_sampler import BucketBatches, Draw
from benchmark.types import TokenizerSpec

Value = TypeVar("Value")


class Batch(NamedTuple):
    """Padded codes and labels of several utterances; an intent is a single label."""

    codes: torch.Tensor
    """(B, K, T) int64, `PADDING` beyond `lengths`."""
    lengths: torch.Tensor
    """(B,) frames."""
    labels: torch.Tensor
    """(B, S) int64, zero beyond `label_lengths`."""
    label_lengths: torch.Tensor


class Derived(Mapping[str, Value]):
    """Values by utterance id that are computed on each access, so that none is kept in memory.

    As lists of numbers, the labels of 960 hours would take half a gigabyte.
    """

    def __init__(self, keys: Iterable[str], value_of: Callable[[str], Value]) -> None:
        """Take the ids in their order and the function that computes the value of an id."""
        self._keys = dict.fromkeys(keys)
        self._value_of = value_of

    def __getitem__(self, key: str) -> Value:
        if key not in self._keys:
            raise KeyError(key)
        return self._value_of(key)

    def __contains__(self, key: object) -> bool:  # Mapping's own method would compute the value
        return key in self._keys

    def __iter__(self) -> Iterator[str]:
        return iter(self._keys)

    def __len__(self) -> int:
        return len(self._keys)


class Packed(Mapping[str, list[int]]):
    """Lists of integers by utterance id, stored end to end in one array that can be pickled."""

    def __init__(self, values: Mapping[str, list[int]]) -> None:
        """Copy the values in their order."""
        arrays = [np.asarray(value, np.int32) for value in values.values()]
        self._flat = np.concatenate([np.empty(0, np.int32), *arrays])
        self._ends = np.cumsum([0, *map(len, arrays)])
        self._places = {key: place for place, key in enumerate(values)}

    def __getitem__(self, key: str) -> list[int]:
        place = self._places[key]
        return self._flat[self._ends[place] : self._ends[place + 1]].tolist()

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)


@dataclass(frozen=True)
class Labelled:
    """The utterances of a split that have both tokens and a label, with counts of those that lack one."""

    tokens: TokenStore
    labels: Mapping[str, list[int]]
    skipped: dict[str, int]

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle computed labels for the processes of other ranks, since their function cannot be."""
        return type(self), (self.tokens, Packed(self.labels), self.skipped)

    @cached_property
    def frames(self) -> np.ndarray:
        """The number of frames of each utterance before upsampling, as an array (len(labels),)."""
        return np.fromiter(map(self.tokens.frames, self.labels), np.int64, len(self.labels))


def join_labels(tokens: TokenStore, labels: Mapping[str, list[int]]) -> Labelled:
    """Keep utterances that have tokens and a non-empty label, and count the others."""
    present = []
    skipped = {"no_label": 0, "no_tokens": 0}
    for key in sorted(labels):
        if not labels[key]:
            skipped["no_label"] += 1
        elif key in tokens:
            present.append(key)
        else:
            skipped["no_tokens"] += 1
    skipped["no_label"] += sum(row[ID] not in labels for row in tokens.index.rows([ID]))
    return Labelled(tokens, Derived(present, labels.__getitem__), skipped)


class LabelledTokens(Dataset[tuple[np.ndarray, list[int]]]):
    """Dataset of codes (K, T) and labels, one utterance per item.

    Args:
        labelled: The utterances.
        codebook_sizes: Entries of each codebook.
        substitution: Share of codes replaced by a random code of the same codebook. The replaced codes depend
            on the draw's seed alone. Substitution regularises as token noise does in language models (Xie et
            al. 2017, arXiv 1703.02573) at no cost.
    """

    def __init__(self, labelled: Labelled, codebook_sizes: Sequence[int], substitution: float = 0.0) -> None:
        self.labelled = labelled
        self.ids = list(labelled.labels)
        self.codebook_sizes = np.array(codebook_sizes)[:, None]
        self.substitution = substitution

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, draw: Draw) -> tuple[np.ndarray, list[int]]:
        index, seed = draw
        codes = self.labelled.tokens[self.ids[index]]
        if self.substitution:
            rng = np.random.default_rng(seed)
            replaced = rng.uniform(size=codes.shape) < self.substitution
            codes = np.where(replaced, rng.integers(0, self.codebook_sizes, codes.shape), codes)
        return codes, self.labelled.labels[self.ids[index]]


def collate(items: Sequence[tuple[np.ndarray, list[int]]]) -> Batch:
    """Pad items to the longest; even items without any frame give a batch of one frame."""
    codes = pad_codes([codes for codes, _ in items])
    lengths = torch.tensor([item.shape[1] for item, _ in items])
    label_lengths = torch.tensor([len(labels) for _, labels in items])
    padded = torch.zeros(len(items), int(label_lengths.max()), dtype=torch.long)
    for row, (_, labels) in zip(padded, items, strict=True):
        row[: len(labels)] = torch.tensor(labels)
    return Batch(codes, lengths, padded, label_lengths)


def pad_codes(items: Sequence[np.ndarray]) -> torch.Tensor:
    """Stack codes (K, T) of several lengths into (B, K, T)."""
    longest = max(1, *(item.shape[1] for item in items))
    padded = torch.full((len(items), len(items[0]), longest), PADDING)
    for row, item in zip(padded, items, strict=True):
        row[:, : item.shape[1]] = torch.from_numpy(item)
    return padded


def train_loader(
    labelled: Labelled, spec: TokenizerSpec, config: ProbeConfig, steps: int, seed: int, workers: int
) -> DataLoader:
    """Load training batches, `steps` per epoch; seed and epoch determine them."""
    return DataLoader(
        LabelledTokens(labelled, spec.codebook_sizes, 0.0 if spec.continuous else config.substitution),
        batch_sampler=_train_batches(labelled, spec, config, steps, seed),
        collate_fn=collate,
        num_workers=workers,
    )


def steps_of_a_pass(labelled: Labelled, spec: TokenizerSpec, config: ProbeConfig, seed: int) -> int:
    """Return the number of training batches that hold every utterance once."""
    return _train_batches(labelled, spec, config, 1, seed).batches_per_pass


def _train_batches(
    labelled: Labelled, spec: TokenizerSpec, config: ProbeConfig, steps: int, seed: int
) -> BucketBatches:
    limit = config.batch_frames(spec.frame_rate)
    return BucketBatches(labelled.frames, config.batch_size, steps, seed, limit, config.batching)


def dev_loader(labelled: Labelled, spec: TokenizerSpec, config: ProbeConfig) -> DataLoader:
    """Load every utterance once, without code substitution."""
    limit = config.batch_frames(spec.frame_rate)
    batches = sorted_batches(labelled.frames, config.batch_size, limit)
    return DataLoader(
        LabelledTokens(labelled, spec.codebook_sizes),
        batch_sampler=[[(index, 0) for index in batch] for batch in batches],
        collate_fn=collate,
    )
