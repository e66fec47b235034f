"""What the parts of a corpus on the disk should hold, by their own transcripts, annotations and tables."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from benchmark.data.corpora.librispeech import LibriSpeech
from benchmark.data.corpora.libritts import LibriTTS
from benchmark.data.corpora.slurp import Slurp
from benchmark.data.corpora.subsets import SubsetCorpus
from benchmark.data.download.published_corpora import Counts


class Fault(NamedTuple):
    """One thing that is not as it should be."""

    part: str
    kind: str
    where: str
    """A file, or the name of what is missing."""


@dataclass(frozen=True)
class Inventory:
    """One part of a corpus."""

    part: str
    published: Counts
    speakers: dict[str, str | None]
    """Who speaks, by the path of the recording; None where it is not known."""
    faults: list[Fault]
    """What the names of the files tell, before any is opened."""
    sentences: int | None = None


def of_subset(kind: type[SubsetCorpus], folder: Path, part: str, published: Counts) -> Inventory:
    """A subset of LibriSpeech or LibriTTS; `folder` is the subset's own.

    Raises: UserError for a subset without audio, or a transcript that is no text.
    """
    reader = kind(name=part, root=str(folder.parent), splits={part: [part]})
    recordings = {one.utterance_id: one for one in reader.recordings(part)}
    transcribed = reader.transcribed(part)
    speakers = {one.speaker_id for one in recordings.values()}
    faults = [
        Fault(part, "no transcript", str(folder / recordings[name].path))
        for name in sorted(recordings.keys() - transcribed)
    ]
    faults += [Fault(part, "missing audio", name) for name in sorted(transcribed - recordings.keys())]
    for listed in reader.listed_speakers(part):
        if len(listed) == published.speakers:  # LibriTTS comes with LibriSpeech's table as well
            faults += [Fault(part, "missing speaker", name) for name in sorted(listed - speakers)]
            break
    paths: dict[str, str | None] = {str(folder / one.path): one.speaker_id for one in recordings.values()}
    return Inventory(part, published, paths, faults)


def of_slurp(reader: Slurp, audio: Path, part: str, published: Counts) -> Inventory:
    """A split of SLURP, or its synthetic part: all recordings of all sentences, in the folder `audio`.

    Raises: UserError for annotations that are missing or damaged.
    """
    is_real = part != "train_synthetic"
    rows = reader.rows(part, "real") if is_real else reader.rows("train", "synthetic")
    files = dict.fromkeys(file for row in rows for file in row.files)
    speakers = {str(audio / file): reader.speaker(file) if is_real else None for file in files}
    return Inventory(part, published, speakers, [], len(rows))


def inventories(title: str, root: Path, place: Path, parts: dict[str, Counts]) -> Iterator[Inventory]:
    """Those of the parts of one archive, which was unpacked to `place`."""
    kinds: dict[str, type[SubsetCorpus]] = {kind.title: kind for kind in (LibriSpeech, LibriTTS)}
    slurp = Slurp(name="slurp", root=str(root))
    for part, published in parts.items():
        if title in kinds:
            yield of_subset(kinds[title], place, part, published)
        else:
            yield of_slurp(slurp, place, part, published)
