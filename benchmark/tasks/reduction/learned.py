"""Merges and counts of tokens that the train split teaches, kept as an artifact, and their use on speech."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from benchmark.data.manifest import Manifest
from benchmark.metrics.codes.code_lengths import order_0_bits, run_bits
from benchmark.storage.token_store import TokenStore
from benchmark.tasks.base import RunContext
from benchmark.tokenizers.base import Tokenizer
from benchmark.tokenizers.encoding.encode import encode_manifest
from benchmark.tokenizers.reduction.byte_pairs import BytePairs
from benchmark.tokenizers.reduction.streams import Stream

KIND = "merges"
VERSION = 1
"""Part of the artifact's key; raised when a code change gives other merges or counts."""


@dataclass(frozen=True)
class Learned:
    """Merges of one stream, and how often each token of it occurs in the train split.

    Attributes:
        stream: Rule that makes the sequences.
        whole: Merges of the sequences as they are; None where the alphabet exceeds the vocabulary.
        short: Merges of the deduplicated sequences; None likewise.
        counts: Occurrences in the train split: of the integers ("codes"), of those that deduplication keeps
            ("kept"), of run lengths ("lengths"), and of the tokens of `whole` ("merged").
    """

    stream: Stream
    whole: BytePairs | None
    short: BytePairs | None
    counts: Mapping[str, np.ndarray]

    @property
    def reached(self) -> dict[str, int]:
        """Number of tokens that the merges end at, by kind of rate; empty where there are no merges."""
        merges = {"bpe": self.whole, "dedup_bpe": self.short}
        return {kind: each.vocabulary for kind, each in merges.items() if each}

    @cached_property
    def bits(self) -> dict[str, np.ndarray]:
        """Bits of each integer or token, by the names in `counts`; run lengths are left out."""
        sizes = {
            "codes": self.stream.sizes,
            "kept": self.stream.sizes,
            "merged": [len(self.counts["merged"])],
        }
        return {name: order_0_bits(self.counts[name], size) for name, size in sizes.items()}


def learn(
    tokenizer: Tokenizer, train: Manifest, streams: Sequence[Stream], vocabulary: int, context: RunContext
) -> list[Learned]:
    """Return what the train split teaches of each stream, learned unless the store holds it.

    One utterance is in memory at a time, apart from what `BytePairs.learn` holds.
    """
    key = {
        "tokenizer": tokenizer.identity(),
        "manifest": train.digest,
        "streams": [asdict(stream) for stream in streams],
        "vocabulary": vocabulary,
        "version": VERSION,
    }

    def build(folder: Path) -> None:
        tokens = encode_manifest(tokenizer, train, context.store, context.progress)
        for number, stream in enumerate(streams):
            _learn(stream, tokens, vocabulary, folder / str(number))

    folder = context.store.get(KIND, key, build)
    return [_load(stream, folder / str(number)) for number, stream in enumerate(streams)]


def _learn(stream: Stream, tokens: TokenStore, vocabulary: int, folder: Path) -> None:
    folder.mkdir()

    def sequences() -> Iterator[np.ndarray]:
        return (stream.sequence(tokens[name]) for name in tokens)

    whole = None
    if stream.alphabet <= vocabulary:
        whole = BytePairs.learn(sequences(), stream.alphabet, vocabulary)
        whole.save(folder / "whole.json")
        cut = (stream.deduplicate(sequence).tokens for sequence in sequences())
        BytePairs.learn(cut, stream.alphabet, vocabulary).save(folder / "short.json")
    counts = {name: np.zeros(stream.alphabet, np.int64) for name in ("codes", "kept")}
    counts |= {
        "lengths": np.zeros(1, np.int64),
        "merged": np.zeros(whole.vocabulary if whole else 1, np.int64),
    }
    for sequence in sequences():
        runs = stream.deduplicate(sequence)
        merged = whole.encode(sequence) if whole else sequence[:0]
        for name, found in zip(counts, (sequence, runs.tokens, runs.lengths, merged), strict=True):
            counts[name] = _added(counts[name], np.bincount(found))
    np.savez(folder / "counts.npz", allow_pickle=False, **counts)


def _load(stream: Stream, folder: Path) -> Learned:
    whole, short = (
        BytePairs.load(path) if path.exists() else None
        for path in (folder / f"{name}.json" for name in ("whole", "short"))
    )
    with np.load(folder / "counts.npz", allow_pickle=False) as counts:
        return Learned(stream, whole, short, dict(counts))


def _added(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return the sum of two arrays of counts, the shorter one padded with zeros."""
    total = np.zeros(max(len(first), len(second)), np.int64)
    total[: len(first)] += first
    total[: len(second)] += second
    return total


class Reducer:
    """Counter of the tokens and bits of utterances, before and after their reduction."""

    def __init__(self, learned: Sequence[Learned], vocabularies: Sequence[int]) -> None:
        """Prepare the merges of each vocabulary, the last of which is the one that was learned.

        Vocabularies below the alphabet of a stream are left out.

        Attributes:
            reached: Largest vocabulary that the merges fill in every stream, by kind of rate; empty where no
                vocabulary holds all codes.
            drawn: Vocabularies asked for, each cut at what either kind of merges reaches; ascending.
        """
        self._learned = learned
        self._asked = [v for v in vocabularies if all(v >= each.stream.alphabet for each in learned)]
        kinds = ("bpe", "dedup_bpe") if self._asked else ()
        self.reached = {kind: min(each.reached[kind] for each in learned) for kind in kinds}
        self.drawn = sorted({min(size, end) for size in self._asked for end in self.reached.values()})
        self._first = [
            {v: (each.whole.first(v), each.short.first(v)) for v in sorted({*self._asked, *self.drawn})}
            if each.whole and each.short
            else {}
            for each in learned
        ]

    def __call__(self, codes: np.ndarray) -> Counter[str]:
        """Count the tokens and bits of one utterance's codes (K, T), summed over streams.

        Returns: Tokens as "codes", "dedup", "bpe_<vocabulary>" and "dedup_bpe_<vocabulary>". Bits as
            "bits_codes", "bits_dedup", "bits_runs" and "bits_bpe".

        Raises: RuntimeError if the codes do not come back from the tokens.
        """
        found: Counter[str] = Counter()
        for each, first in zip(self._learned, self._first, strict=True):
            whole = each.stream.sequence(codes)
            runs = each.stream.deduplicate(whole)
            _require(np.array_equal(each.stream.repeat(runs), whole), "run lengths")
            found["codes"] += len(whole)
            found["dedup"] += len(runs.tokens)
            found["bits_codes"] += each.bits["codes"][whole].sum()
            kept = each.bits["kept"][runs.tokens].sum()
            found["bits_dedup"] += kept
            found["bits_runs"] += kept + run_bits(each.counts["lengths"], runs.lengths).sum()
            for vocabulary, (merges, short) in first.items():
                tokens, cut = merges.encode(whole), short.encode(runs.tokens)
                found[f"bpe_{vocabulary}"] += len(tokens)
                found[f"dedup_bpe_{vocabulary}"] += len(cut)
                if vocabulary == self._asked[-1]:
                    found["bits_bpe"] += each.bits["merged"][tokens].sum()
                back = each.stream.codes(merges.decode(tokens), codes.shape[1])
                _require(np.array_equal(back, codes[list(each.stream.books)]), "byte pairs")
                _require(np.array_equal(short.decode(cut), runs.tokens), "byte pairs after deduplication")
        return found


def _require(is_back: bool, what: str) -> None:
    if not is_back:
        raise RuntimeError(f"{what} lost codes: what was decoded differs from what was encoded")
