"""LibriSpeech (Panayotov et al., ICASSP 2015) in the folder layout of the published archives.

`<root>/<subset>/<speaker>/<chapter>/<speaker>-<chapter>-<nnnn>.flac`, transcripts in
`<speaker>-<chapter>.trans.txt` beside the audio, genders in `<root>/SPEAKERS.TXT`.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from benchmark.data.corpora.subsets import Recording, SubsetCorpus, read_transcript

log = logging.getLogger(__name__)


@dataclass(kw_only=True)
class LibriSpeech(SubsetCorpus):
    """See `SubsetCorpus`; transcripts in lower case."""

    uid: ClassVar[str] = "benchmark.data.librispeech.LibriSpeech"

    title: ClassVar[str] = "LibriSpeech"
    variable: ClassVar[str] = "LIBRISPEECH"
    suffix: ClassVar[str] = ".flac"
    speaker_tables: ClassVar[tuple[str, ...]] = ("SPEAKERS.TXT",)

    def split_label(self, split: str) -> str:
        """Test's names its subsets: numbers of test-clean and test-other are never taken for each other."""
        return "+".join(self._subsets(split)) if split == "test" else split

    def _texts(self, recordings: Sequence[Recording]) -> dict[str, str]:
        """From the transcripts of the chapters."""
        subsets = sorted({recording.subset for recording in recordings})
        return {name: text for subset in subsets for name, text in self._transcripts(subset).items()}

    def transcribed(self, subset: str) -> set[str]:
        """Utterance ids with a transcript that is not empty."""
        return {name for name, text in self._transcripts(subset).items() if text}

    def _transcripts(self, subset: str) -> dict[str, str]:
        """Text by utterance id; one line "id TEXT" each in the file of its chapter, the first counts."""
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
