"""LibriSpeech (Panayotov et al., ICASSP 2015) in the folder layout of the published archives.

Recordings are at `<root>/<subset>/<speaker>/<chapter>/<speaker>-<chapter>-<nnnn>.flac`. Transcripts are
beside them in `<speaker>-<chapter>.trans.txt`, and genders in `<root>/SPEAKERS.TXT`.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from benchmark.data.corpora.subsets import Recording, SubsetCorpus, read_transcript

log = logging.getLogger(__name__)


@dataclass(kw_only=True)
class LibriSpeech(SubsetCorpus):
    """LibriSpeech with transcripts in lower case; see `SubsetCorpus`."""

    uid: ClassVar[str] = "benchmark.data.librispeech.LibriSpeech"

    title: ClassVar[str] = "LibriSpeech"
    variable: ClassVar[str] = "LIBRISPEECH"
    suffix: ClassVar[str] = ".flac"
    speaker_tables: ClassVar[tuple[str, ...]] = ("SPEAKERS.TXT",)

    def split_label(self, split: str) -> str:
        """Return the label of a split; that of test names its subsets, so that their results never mix."""
        return "+".join(self._subsets(split)) if split == "test" else split

    def _texts(self, recordings: Sequence[Recording]) -> dict[str, str]:
        """Read the transcript files of the chapters."""
        subsets = sorted({recording.subset for recording in recordings})
        return {name: text for subset in subsets for name, text in self._transcripts(subset).items()}

    def transcribed(self, subset: str) -> set[str]:
        """Return the utterance ids with a transcript that is not empty."""
        return {name for name, text in self._transcripts(subset).items() if text}

    def _transcripts(self, subset: str) -> dict[str, str]:
        """Return the text by utterance id, from lines "id TEXT" in the files of the chapters.

        If an id has several transcripts, the first one counts.
        """
        texts: dict[str, str] = {}
        doubtful: list[str] = []
        for entry in self._listing(subset):
            if entry.path.endswith(".trans.txt"):
                lines = read_transcript(self._folder / subset / entry.path).splitlines()
                for line in filter(str.strip, lines):
                    utterance_id, _, text = line.strip().partition(" ")
                    text = text.strip().lower()
                    if texts.setdefault(utterance_id, text) != text:
                        doubtful.append(utterance_id)
        if doubtful:
            log.warning(
                "%s: %d utterances have two transcripts, of which the first counts: %s",
                *(subset, len(doubtful), ", ".join(doubtful[:5])),
            )
        return texts
