"""Expected content of the parts of a corpus, from the corpus's own transcripts, annotations and tables."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from benchmark.data.corpora.librispeech import LibriSpeech
from benchmark.data.corpora.libritts import LibriTTS
from benchmark.data.corpora.prompt_list import read_prompt_list
from benchmark.data.corpora.slurp import Slurp
from benchmark.data.corpora.subsets import SubsetCorpus
from benchmark.data.download.published_corpora import CONVERSION_LIST, PROMPT_LIST, Counts


class Fault(NamedTuple):
    """One missing or damaged item."""

    part: str
    kind: str
    where: str
    """Path of the file, or name of the missing item."""


@dataclass(frozen=True)
class Inventory:
    """The expected recordings of one part of a corpus."""

    part: str
    published: Counts
    speakers: dict[str, str | None]
    """Speaker by the path of the recording; None if unknown."""
    faults: list[Fault]
    """Faults that the names of the files reveal, before any file is opened."""
    sentences: int | None = None


def take_subset_inventory(kind: type[SubsetCorpus], folder: Path, part: str, published: Counts) -> Inventory:
    """Return the inventory of a subset of LibriSpeech or LibriTTS; `folder` is the subset's own.

    Raises:
        UserError: the subset holds no audio, or a transcript is not text.
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


def take_slurp_inventory(reader: Slurp, audio: Path, part: str, published: Counts) -> Inventory:
    """Return the inventory of a split of SLURP, or of its synthetic part, with audio in the folder `audio`.

    The inventory covers all recordings of all sentences.

    Raises:
        UserError: annotations are missing or damaged.
    """
    is_real = part != "train_synthetic"
    rows = reader.rows(part, "real") if is_real else reader.rows("train", "synthetic")
    files = dict.fromkeys(file for row in rows for file in row.files)
    speakers = {str(audio / file): reader.speaker(file) if is_real else None for file in files}
    return Inventory(part, published, speakers, [], len(rows))


def take_list_inventory(path: Path, folder: Path, published: Counts) -> Inventory:
    """Return the inventory of a list of prompts such as testset-B's, which names recordings of LibriTTS.

    Args:
        path: The list; a missing one names nothing.
        folder: Folder of the subset that the list is drawn from.
        published: Numbers of listed utterances and of their speakers.

    Raises:
        UserError: the subset holds no audio.
    """
    part = path.name
    reader = LibriTTS(name=part, root=str(folder.parent), splits={part: [folder.name]})
    recordings = {one.utterance_id: one for one in reader.recordings(part)}
    try:
        listed = read_prompt_list(path)
    except FileNotFoundError:
        return Inventory(part, published, {}, [])
    except (OSError, UnicodeDecodeError):
        return Inventory(part, published, {}, [Fault(part, "no readable list", str(path))])
    damage = listed.damage(recordings.keys(), folder.name)
    known = [recordings[name] for name, _ in listed.pairs if name in recordings]
    speakers: dict[str, str | None] = {str(folder / one.path): one.speaker_id for one in known}
    faults = [Fault(part, kind, where) for kind, places in damage.items() for where in places]
    return Inventory(part, published, speakers, faults)


def take_inventories(
    title: str, root: Path, place: Path, parts: dict[str, Counts], annotations: Path
) -> Iterator[Inventory]:
    """Yield the inventories of the parts of one archive, which was unpacked to `place`.

    Lists of prompts lie in the folder `annotations`.
    """
    kinds: dict[str, type[SubsetCorpus]] = {kind.title: kind for kind in (LibriSpeech, LibriTTS)}
    slurp = Slurp(name="slurp", root=str(root))
    for part, published in parts.items():
        if part in (PROMPT_LIST, CONVERSION_LIST):
            yield take_list_inventory(annotations / part, place, published)
        elif title in kinds:
            yield take_subset_inventory(kinds[title], place, part, published)
        else:
            yield take_slurp_inventory(slurp, place, part, published)
