"""LibriSpeech (Panayotov et al., ICASSP 2015) in the folder layout of the published archives.

`<root>/<subset>/<speaker>/<chapter>/<speaker>-<chapter>-<nnnn>.flac`, transcripts in
`<speaker>-<chapter>.trans.txt` beside the audio, genders in `<root>/SPEAKERS.TXT`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain, zip_longest
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from benchmark.artifacts import digest
from benchmark.data.audio import headers
from benchmark.data.corpus import Corpus
from benchmark.data.listing import Entry, listing, require_root, subfolders
from benchmark.data.manifest import Manifest
from benchmark.errors import UserError, unknown
from benchmark.types import Utterance


@dataclass(kw_only=True)
class LibriSpeech(Corpus):
    """Read headers and transcripts of the chosen subsets.

    A recording without a transcript has text None; an empty transcript stays an empty text.

    Attributes:
        root: The folder `LibriSpeech`, or the one that holds it.
        splits: Subsets of each split, such as `{"train": ["train-clean-100"]}`.
        holdout_speakers: Where no dev subset is listed, dev is this many speakers taken out of
            train, women and men in turn; 0 leaves train whole.
        seed: Chooses the held-out speakers.
    """

    root: str
    splits: Mapping[str, Sequence[str]]
    holdout_speakers: int = 0
    seed: int = 0

    def identity(self, split: str) -> dict[str, Any]:
        """Class, version, arguments other than the root, and a digest of the folders' listing."""
        subsets = self._subsets(split)
        divides = self._divides_train(split)
        return {
            **super().identity(split),
            "subsets": subsets,
            "holdout": [self.holdout_speakers, self.seed] if divides else None,
            "listing": digest([*(self._listing(subset) for subset in subsets), self._genders]),
        }

    def location(self) -> str:
        """The folder that holds the subsets."""
        return str(self._folder)

    def build(self, split: str, folder: Path) -> Manifest:
        """Make the manifest from the audio headers; nothing is written below `folder`."""
        del folder
        subsets = self._subsets(split)
        recordings = [
            (subset, PurePosixPath(entry.path))
            for subset in subsets
            for entry in self._listing(subset)
            if entry.path.endswith(".flac")
        ]
        if self._divides_train(split):
            held_out = self._held_out(sorted({path.parts[0] for _, path in recordings}))
            recordings = [r for r in recordings if (r[1].parts[0] in held_out) == (split == "dev")]
        texts = self._transcripts(subsets)
        paths = [self._folder / subset / path for subset, path in recordings]
        return Manifest(
            Utterance(
                utterance_id=path.stem,
                audio_path=str(path),
                speaker_id=relative.parts[0],
                duration=duration,
                fingerprint=fingerprint,
                text=texts.get(path.stem),
                gender=self._genders.get(relative.parts[0]),
            )
            for (_, relative), path, (duration, fingerprint) in zip(
                recordings, paths, headers(paths), strict=True
            )
        )

    @cached_property
    def _folder(self) -> Path:
        root = require_root(self.root, "LibriSpeech", "LIBRISPEECH")
        return root / "LibriSpeech" if (root / "LibriSpeech").is_dir() else root

    @cached_property
    def _listings(self) -> dict[str, list[Entry]]:
        return {}

    def _listing(self, subset: str) -> list[Entry]:
        """Files of one subset, listed once."""
        if subset not in self._listings:
            present = subfolders(self._folder)
            if subset not in present:
                raise UserError(
                    f"{self._folder} has no LibriSpeech subset {subset!r}; it has "
                    f"{', '.join(present) or 'no folders'}. Download {subset}, name another subset "
                    "in dataset.splits, or set LIBRISPEECH=<root> or dataset.root=<root>."
                )
            entries = listing(self._folder / subset)
            if not any(entry.path.endswith(".flac") for entry in entries):
                raise UserError(
                    f"{self._folder / subset} holds no .flac file; expected <speaker>/<chapter>/*.flac. "
                    "Extract the archive again, or set LIBRISPEECH=<root> or dataset.root=<root>."
                )
            self._listings[subset] = entries
        return self._listings[subset]

    def _divides_train(self, split: str) -> bool:
        """Whether the split is one of the two that the held-out speakers divide."""
        return self.holdout_speakers > 0 and split in ("train", "dev")

    def _subsets(self, split: str) -> list[str]:
        """Subsets that the split reads: for a dev split that is held out, those of train."""
        listed = {name: list(subsets) for name, subsets in self.splits.items() if subsets}
        owners: dict[str, str] = {}
        for name, subset in ((name, subset) for name, subsets in listed.items() for subset in subsets):
            if owners.setdefault(subset, name) != name:
                raise UserError(
                    f"LibriSpeech subset {subset!r} is in the splits {owners[subset]!r} and {name!r}; "
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
                "no dev subset of LibriSpeech is listed; set dataset.splits.dev=[dev-clean] or "
                "dataset.holdout_speakers=<number of speakers to take out of train>"
            )
        if not listed.get(split):
            raise unknown("split of LibriSpeech", split, (name for name in listed if listed[name]))
        return listed[split]

    def _held_out(self, speakers: list[str]) -> set[str]:
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

    def _transcripts(self, subsets: list[str]) -> dict[str, str]:
        """Lower-case text of every utterance id that has one."""
        texts = {}
        for subset in subsets:
            for entry in self._listing(subset):
                if entry.path.endswith(".trans.txt"):
                    lines = (self._folder / subset / entry.path).read_text(encoding="utf-8").splitlines()
                    for line in filter(str.strip, lines):
                        utterance_id, _, text = line.strip().partition(" ")
                        texts[utterance_id] = text.strip().lower()
        return texts

    @cached_property
    def _genders(self) -> dict[str, str]:
        """Gender by speaker id; empty without SPEAKERS.TXT, whose lines are "id | F or M | ..."."""
        path = self._folder / "SPEAKERS.TXT"
        if not path.is_file():
            return {}
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
        fields = [[field.strip() for field in line.split("|")] for line in lines if not line.startswith(";")]
        return {row[0]: row[1] for row in fields if len(row) > 1 and row[1] in ("F", "M")}
