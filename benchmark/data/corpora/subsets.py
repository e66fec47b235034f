"""Common base of LibriSpeech and LibriTTS, corpora of read books published in subsets of speakers.

Recordings are at `<root>/<subset>/<speaker>/<chapter>/<recording>`. A table of speakers beside the subsets
holds the genders.
"""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain, zip_longest
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar, NamedTuple

import numpy as np

from benchmark.data.audio import headers
from benchmark.data.corpora.base import Corpus
from benchmark.data.corpora.listing import Entry, listing, require_root, subfolders
from benchmark.data.manifest import Manifest
from benchmark.errors import UserError, unknown
from benchmark.storage.hashing import digest
from benchmark.types import Utterance


def read_transcript(path: Path) -> str:
    """Read a transcript file of the corpus.

    Raises:
        UserError: the file is not UTF-8 text.
    """
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is damaged: {error}. Extract the archive again.") from error


class Recording(NamedTuple):
    """One audio file; `path` is relative to the subset's folder."""

    subset: str
    path: PurePosixPath

    @property
    def utterance_id(self) -> str:
        """Name of the file without its suffix."""
        return self.path.stem

    @property
    def speaker_id(self) -> str:
        """Name of the uppermost folder."""
        return self.path.parts[0]


@dataclass(kw_only=True)
class SubsetCorpus(Corpus):
    """A corpus in subsets, read from audio headers and transcripts.

    A recording without a transcript has text None; an empty transcript stays an empty text.

    Attributes:
        title: Name of the corpus, and of the folder that holds the subsets.
        variable: Environment variable that the dataset's yaml reads.
        suffix: File suffix of the recordings.
        speaker_tables: Files that may hold the genders; the first one that exists is read.
        root: The folder `title`, or its parent folder.
        splits: Subsets of each split, such as `{"train": ["train-clean-100"]}`.
        holdout_speakers: Number of speakers that form dev instead of train if no dev subset is listed,
            women and men in turn; 0 leaves train whole.
        seed: Seed of the choice of held-out speakers.
    """

    title: ClassVar[str]
    variable: ClassVar[str]
    suffix: ClassVar[str]
    speaker_tables: ClassVar[tuple[str, ...]]

    root: str
    splits: Mapping[str, Sequence[str]]
    holdout_speakers: int = 0
    seed: int = 0

    def identity(self, split: str) -> dict[str, Any]:
        """Return class, version, arguments other than the root, and a digest of the folder listings."""
        subsets = self._subsets(split)
        divides = self._divides_train(split)
        return {
            **super().identity(split),
            "subsets": subsets,
            "holdout": [self.holdout_speakers, self.seed] if divides else None,
            "listing": digest([*(self._listing(subset) for subset in subsets), self._genders]),
        }

    def location(self) -> str:
        """Return the folder that holds the subsets."""
        return str(self._folder)

    def build(self, split: str, folder: Path) -> Manifest:
        """Build the manifest from the audio headers; nothing is written below `folder`."""
        del folder
        return self._manifest(self.recordings(split))

    def recordings(self, split: str) -> list[Recording]:
        """Return all recordings in the subsets of a split without opening any file.

        Raises:
            UserError: a subset does not exist or holds no audio.
        """
        recordings = [
            Recording(subset, PurePosixPath(entry.path))
            for subset in self._subsets(split)
            for entry in self._listing(subset)
            if entry.path.endswith(self.suffix)
        ]
        if not self._divides_train(split):
            return recordings
        held_out = self._draw_held_out(sorted({recording.speaker_id for recording in recordings}))
        return [r for r in recordings if (r.speaker_id in held_out) == (split == "dev")]

    @abstractmethod
    def transcribed(self, subset: str) -> set[str]:
        """Return the utterance ids with a transcript, whether or not they have audio."""

    def listed_speakers(self, subset: str) -> list[set[str]]:
        """Return the speakers of a subset according to each of the existing speaker tables."""
        return [
            {row[0] for row in self._read_rows(table) if row[2:3] == [subset]}
            for table in self.speaker_tables
            if (self._folder / table).is_file()
        ]

    @abstractmethod
    def _texts(self, recordings: Sequence[Recording]) -> dict[str, str]:
        """Return the transcripts by utterance id, for the recordings that have one."""

    def _manifest(self, recordings: Sequence[Recording]) -> Manifest:
        texts = self._texts(recordings)
        paths = [self._folder / recording.subset / recording.path for recording in recordings]
        return Manifest(
            Utterance(
                utterance_id=recording.utterance_id,
                audio_path=str(path),
                speaker_id=recording.speaker_id,
                duration=duration,
                fingerprint=fingerprint,
                text=texts.get(recording.utterance_id),
                gender=self._genders.get(recording.speaker_id),
            )
            for recording, path, (duration, fingerprint) in zip(
                recordings, paths, headers(paths), strict=True
            )
        )

    @cached_property
    def _folder(self) -> Path:
        root = require_root(self.root, self.title, self.variable)
        return root / self.title if (root / self.title).is_dir() else root

    @cached_property
    def _listings(self) -> dict[str, list[Entry]]:
        return {}

    def _listing(self, subset: str) -> list[Entry]:
        """Return the files of one subset; the disk is listed only once."""
        if subset not in self._listings:
            remedy = f"set {self.variable}=<root> or dataset.root=<root>"
            present = subfolders(self._folder)
            if subset not in present:
                raise UserError(
                    f"{self._folder} has no {self.title} subset {subset!r}; it has "
                    f"{', '.join(present) or 'no folders'}. Download it (make data "
                    f"DATASET={self.variable.lower()} ROOT={self._folder} SUBSETS={subset}), name another "
                    f"subset in dataset.splits, or {remedy}."
                )
            entries = listing(self._folder / subset)
            if not any(entry.path.endswith(self.suffix) for entry in entries):
                raise UserError(
                    f"{self._folder / subset} holds no {self.suffix} file; expected <speaker>/<chapter>/"
                    f"*{self.suffix}. Remove the folder and extract the archive again (make data "
                    f"DATASET={self.variable.lower()} ROOT={self._folder} SUBSETS={subset}), or {remedy}."
                )
            self._listings[subset] = entries
        return self._listings[subset]

    def _divides_train(self, split: str) -> bool:
        """Return whether the split is train or dev and held-out speakers divide the two."""
        return self.holdout_speakers > 0 and split in ("train", "dev")

    def _subsets(self, split: str) -> list[str]:
        """Return the subsets that the split reads; a held-out dev split reads those of train."""
        listed = {name: list(subsets) for name, subsets in self.splits.items() if subsets}
        owners: dict[str, str] = {}
        for name, subset in ((name, subset) for name, subsets in listed.items() for subset in subsets):
            if owners.setdefault(subset, name) != name:
                raise UserError(
                    f"{self.title} subset {subset!r} is in the splits {owners[subset]!r} and {name!r}; "
                    "list it in one of dataset.splits"
                )
        if self.holdout_speakers > 0:
            if "dev" in listed:
                raise UserError(
                    f"dev is both listed ({', '.join(listed['dev'])}) and held out of train "
                    f"(holdout_speakers={self.holdout_speakers}); set dataset.splits.dev=[] or "
                    "dataset.holdout_speakers=0"
                )
            listed["dev"] = listed.get("train", [])
        elif split == "dev" and "dev" not in listed:
            raise UserError(
                f"no dev subset of {self.title} is listed; set dataset.splits.dev=[dev-clean] or "
                "dataset.holdout_speakers=<number of speakers to take out of train>"
            )
        if not listed.get(split):
            raise unknown(f"split of {self.title}", split, (name for name in listed if listed[name]))
        return listed[split]

    def _draw_held_out(self, speakers: list[str]) -> set[str]:
        if self.holdout_speakers >= len(speakers):
            raise UserError(
                f"holdout_speakers={self.holdout_speakers} leaves none of the {len(speakers)} speakers "
                "of train; choose fewer"
            )
        rng = np.random.Generator(np.random.PCG64(self.seed))
        by_gender: dict[str, list[str]] = {}
        for index in rng.permutation(len(speakers)):
            by_gender.setdefault(self._genders.get(speakers[index], ""), []).append(speakers[index])
        turns = chain.from_iterable(zip_longest(*(by_gender[gender] for gender in sorted(by_gender))))
        return set([speaker for speaker in turns if speaker][: self.holdout_speakers])

    @cached_property
    def _genders(self) -> dict[str, str]:
        """Gender by speaker id from the first existing table; empty without a table."""
        table = next((name for name in self.speaker_tables if (self._folder / name).is_file()), None)
        rows = self._read_rows(table) if table else []
        return {row[0]: row[1] for row in rows if row[1:2] in (["F"], ["M"])}

    def _read_rows(self, table: str) -> list[list[str]]:
        """Return the fields of a speaker table with lines "id | F or M | subset | ...", or the same in TSV.

        Lines that begin with a semicolon are comments.
        """
        between = "\t" if table.endswith(".tsv") else "|"
        lines = (self._folder / table).read_text(encoding="utf-8", errors="replace").splitlines()
        return [[f.strip() for f in line.split(between)] for line in lines if not line.startswith(";")]
