"""Amount of speech in a split, from its manifest if there is one, or else from published numbers."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from benchmark.data.corpora.base import Corpus
from benchmark.data.corpora.libritts import TESTSET_B_SIZE
from benchmark.data.corpora.slurp import Slurp
from benchmark.data.corpora.subsets import SubsetCorpus
from benchmark.data.download.published_corpora import CORPORA, Counts
from benchmark.errors import UserError
from benchmark.jobs.cost.read_only_store import Absent
from benchmark.storage.artifacts import ArtifactStore
from benchmark.storage.hashing import digest

MANIFEST, PUBLISHED, ABOUT, UNKNOWN = "its manifest", "as published", "about", "unknown: no manifest yet"

HOURS_PER_SPEAKER = 0.42
"""Hours per speaker in LibriSpeech's training subsets: 25 minutes, or 30 in train-other-500."""
SLURP_RECORDINGS, SLURP_SYNTHETIC = {"train": 50_600, "dev": 8_690, "test": 13_078}, 69_300
"""Numbers of SLURP's recordings, if all recordings of a sentence are used, and of its synthetic recordings.

Rounded numbers stand where no exact ones were found."""
SLURP_SECONDS, SLURP_SYNTHETIC_SECONDS = 2.88, 2.26
"""Mean length of a recording in seconds: 58 h and 43.5 h in total (Bastianelli et al., EMNLP 2020)."""


@dataclass(frozen=True)
class Speech:
    """Numbers of utterances and hours, and the source of these numbers."""

    utterances: int
    hours: float
    source: str

    @property
    def seconds(self) -> float:
        """Length of all utterances together, in seconds."""
        return self.hours * 3600

    @property
    def mean(self) -> float:
        """Mean length of an utterance in seconds."""
        return self.seconds / max(1, self.utterances)

    def at_most(self, limit: int | None) -> "Speech":
        """Return the speech of at most `limit` utterances; all of it for None."""
        if limit is None or limit >= self.utterances:
            return self
        return replace(self, utterances=limit, hours=limit * self.mean / 3600)


def speech(corpus: Corpus, split: str, store: ArtifactStore) -> Speech:
    """Return the amount of speech in a split.

    Args:
        corpus: Corpus of the split, which need not be on this machine.
        split: Name such as "train", "dev" or "test".
        store: Store that builds nothing, see `benchmark.jobs.cost.read_only_store.Present`.
    """
    try:
        manifest = corpus.manifest(split, store)
    except (Absent, UserError, OSError):
        return _without_manifest(corpus, split)
    return Speech(len(manifest), manifest.hours, MANIFEST)


def split_key(corpus: Corpus, split: str) -> str:
    """Return a digest that is equal for splits of the same speech, whatever else their corpora hold.

    Jobs whose splits have equal digests share trainings.
    """
    content: dict[str, Any] = asdict(corpus)
    del content["name"]
    subsets = content.pop("splits", None) or {}
    content["subsets"] = list(subsets.get(split) or ["dev out of", *subsets.get("train", [])])
    return digest([type(corpus).__qualname__, split, content])


def _without_manifest(corpus: Corpus, split: str) -> Speech:
    if isinstance(corpus, SubsetCorpus):
        return _of_subsets(corpus, split)
    if isinstance(corpus, Slurp):
        return _of_slurp(corpus, split)
    known = corpus.expected(split)
    return Speech(*known, ABOUT) if known else Speech(0, 0.0, UNKNOWN)


def _of_slurp(corpus: Slurp, split: str) -> Speech:
    counts = CORPORA["slurp"].archives["slurp_real"].parts[split]
    number = SLURP_RECORDINGS[split] if corpus.recordings == "all" else counts.sentences or 0
    hours = number * SLURP_SECONDS / 3600
    if split == "train" and "synthetic" in corpus.train_parts:
        number, hours = number + SLURP_SYNTHETIC, hours + SLURP_SYNTHETIC * SLURP_SYNTHETIC_SECONDS / 3600
    return Speech(number, hours, ABOUT)


def _of_subsets(corpus: SubsetCorpus, split: str) -> Speech:
    held_out = corpus.holdout_speakers > 0 and split in ("train", "dev")
    subsets = corpus.splits.get("train" if held_out else split, ())
    whole = _sum(corpus.title, subsets)
    if split == "test":
        drawn = getattr(corpus, "test_utterances", None)
        return whole.at_most(TESTSET_B_SIZE[0] if getattr(corpus, "test_list", None) else drawn)
    if not held_out or whole.source == UNKNOWN:
        return whole
    dev = whole.at_most(round(corpus.holdout_speakers * HOURS_PER_SPEAKER * 3600 / whole.mean))
    if split == "dev":
        return replace(dev, source=ABOUT)
    return Speech(whole.utterances - dev.utterances, whole.hours - dev.hours, ABOUT)


def _sum(title: str, subsets: Sequence[str]) -> Speech:
    """Return the total speech of subsets of a published corpus, or unknown speech if a count is missing."""
    published = [corpus.archives for corpus in CORPORA.values() if corpus.title == title]
    parts = {name: archive.parts.get(name) for archives in published for name, archive in archives.items()}
    counts = [parts.get(name) or Counts() for name in subsets]
    if not counts or any(each.utterances is None or each.hours is None for each in counts):
        return Speech(0, 0.0, UNKNOWN)
    return Speech(sum(c.utterances or 0 for c in counts), sum(c.hours or 0.0 for c in counts), PUBLISHED)
