"""LibriTTS (Zen et al., Interspeech 2019) in the folder layout of the published archives.

Recordings are at `<root>/<subset>/<speaker>/<chapter>/<speaker>_<chapter>_<nnnnnn>_<nnnnnn>.wav`, at 24 kHz.
Texts are beside them in `.normalized.txt` and `.original.txt`, and genders in `<root>/SPEAKERS.txt` or
`speakers.tsv`.

Testset-B of UniCATS (Du et al., AAAI 2024) consists of 500 utterances of test-clean by 37 speakers, each with
a prompt. It is published as a list: https://cpdu.github.io/unicats/resources/testsetB_utt2prompt. Its speaker
672 has one utterance, which is its own prompt.
"""

import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar

from benchmark.data.corpora.prompt_list import read_prompt_list
from benchmark.data.corpora.subsets import Recording, SubsetCorpus, read_transcript
from benchmark.data.manifest import Manifest
from benchmark.errors import UserError, list_some
from benchmark.storage.artifacts import ArtifactStore
from benchmark.storage.hashing import digest
from benchmark.types import Utterance

log = logging.getLogger(__name__)

PROMPTS = "test_prompts"
PROMPT_SECONDS = 3.0
"""Shortest seeded prompt in seconds, as in CTX-vec2wav."""
TEXT = ".normalized.txt"

TESTSET_B = "testset-B"
TESTSET_B_SIZE = 500, 37
"""Numbers of utterances and speakers of testset-B."""
TESTSET_B_START = {
    "1089_134686_000002_000001": "1089_134686_000032_000008",
    "1089_134686_000007_000005": "1089_134686_000032_000008",
    "1089_134686_000009_000003": "1089_134686_000032_000008",
    "1089_134686_000009_000008": "1089_134686_000032_000008",
    "1089_134686_000015_000003": "1089_134686_000032_000008",
}
"""First lines of testset-B, by which the list is recognised."""


@dataclass(kw_only=True)
class LibriTTS(SubsetCorpus):
    """LibriTTS with normalized texts as transcripts; see `SubsetCorpus`.

    The test split is a list of utterances with one prompt each: testset-B if its file is given, otherwise a
    seeded list. The split test_prompts holds the prompts.

    Attributes:
        test_list: File of lines "utterance prompt", such as testset-B's utt2prompt.
        test_utterances: Number of utterances that are drawn by `seed`, evenly over the speakers of the test
            subsets, if `test_list` is None. The prompt of each speaker's utterances is that speaker's
            shortest recording of 3 s or more. None takes the subsets whole, without listed prompts.
    """

    uid: ClassVar[str] = "benchmark.data.libritts.LibriTTS"

    title: ClassVar[str] = "LibriTTS"
    variable: ClassVar[str] = "LIBRITTS"
    suffix: ClassVar[str] = ".wav"
    speaker_tables: ClassVar[tuple[str, ...]] = ("SPEAKERS.txt", "speakers.tsv")

    test_list: str | None = None
    test_utterances: int | None = 500

    @property
    def prompt_split(self) -> str | None:
        """Split of the listed prompts; None if the test subsets are taken whole."""
        return PROMPTS if self.test_list or self.test_utterances is not None else None

    def split_label(self, split: str) -> str:
        """Return the label of a split; that of test says whether or not the list is testset-B."""
        if split != "test" or self.prompt_split is None:
            return split
        subsets = "+".join(self._subsets("test"))
        if not self.test_list:
            return f"{subsets}-{self.test_utterances} (seeded, not {TESTSET_B})"
        speakers = {name.split("_")[0] for name in self._list}
        if (
            len(self._list),
            len(speakers),
        ) == TESTSET_B_SIZE and self._list.items() >= TESTSET_B_START.items():
            return TESTSET_B
        return f"{subsets}-{len(self._list)} (listed, not {TESTSET_B})"

    def identity(self, split: str) -> dict[str, Any]:
        """Like the base class, and for test and its prompts also what the list depends on."""
        content = super().identity(split)
        if split in ("test", PROMPTS):
            drawn = [self.test_utterances, self.seed]
            content["list"] = digest(sorted(self._list.items())) if self.test_list else drawn
        return content

    def build(self, split: str, folder: Path) -> Manifest:
        """Build the manifest from audio headers and texts; nothing is written below `folder`."""
        if split not in ("test", PROMPTS) or self.prompt_split is None:
            return super().build(split, folder)
        recordings = self.recordings(split)
        if self.test_list:
            wanted = set(self._list if split == "test" else self._list.values())
            return self._manifest([r for r in recordings if r.utterance_id in wanted])
        targets, prompts = self._draw(self._manifest(recordings))
        return targets if split == "test" else prompts

    def listed_prompts(self, store: ArtifactStore) -> dict[str, Utterance] | None:
        """Return the listed prompt of each test utterance; in a seeded list, the prompt of its speaker."""
        if self.prompt_split is None:
            return None
        prompts = self.manifest(PROMPTS, store)
        if self.test_list:
            return {name: prompts[prompt] for name, prompt in self._list.items()}
        by_speaker = {prompt.speaker_id: prompt for prompt in prompts}
        return {u.utterance_id: by_speaker[u.speaker_id] for u in self.manifest("test", store)}

    def transcribed(self, subset: str) -> set[str]:
        """Return the utterance ids with a normalized text."""
        texts = (entry for entry in self._listing(subset) if entry.path.endswith(TEXT) and entry.size >= 0)
        return {PurePosixPath(entry.path).name.removesuffix(TEXT) for entry in texts}

    def _subsets(self, split: str) -> list[str]:
        """Like the base class, with prompts from the subsets of test."""
        return super()._subsets("test" if split == self.prompt_split else split)

    def _texts(self, recordings: Sequence[Recording]) -> dict[str, str]:
        """Read the texts from the files beside the audio; threads hide the latency of the disk."""
        with ThreadPoolExecutor(max_workers=8) as pool:
            texts = pool.map(self._read_text, recordings)
            return {
                r.utterance_id: text for r, text in zip(recordings, texts, strict=True) if text is not None
            }

    def _read_text(self, recording: Recording) -> str | None:
        path = self._folder / recording.subset / recording.path.with_suffix(TEXT)
        return " ".join(read_transcript(path).split()) if path.is_file() else None

    def _draw(self, whole: Manifest) -> tuple[Manifest, Manifest]:
        """Draw the seeded test utterances, and return them and the prompts of their speakers, disjoint."""
        assert self.test_utterances is not None
        prompts: dict[str, Utterance] = {}
        for utterance in sorted(whole, key=lambda u: (u.duration, u.utterance_id)):
            if utterance.duration >= PROMPT_SECONDS:
                prompts.setdefault(utterance.speaker_id, utterance)
        rest = [u for u in whole if u.speaker_id in prompts and u != prompts[u.speaker_id]]
        if len(rest) < max(1, self.test_utterances):
            raise UserError(
                f"test_utterances={self.test_utterances}: {', '.join(self._subsets('test'))} has {len(rest)} "
                f"utterances by speakers with another recording of {PROMPT_SECONDS:g} s or more; set "
                f"dataset.test_utterances to {len(rest)} or fewer"
            )
        targets = Manifest(rest).subset(self.test_utterances, self.seed)
        voices = {utterance.speaker_id for utterance in targets}
        return targets, Manifest(prompt for speaker, prompt in prompts.items() if speaker in voices)

    @cached_property
    def _list(self) -> dict[str, str]:
        """Prompt by utterance, read from `test_list`; utterances that prompt themselves are kept and logged.

        Raises:
            UserError: the list is missing or damaged; the message names every kind of damage with its ids.
        """
        path = Path(str(self.test_list)).expanduser()
        if not path.is_file():
            raise UserError(
                f"test_list: there is no file {str(self.test_list)!r}; fetch testset-B's utt2prompt by "
                "make data DATASET=testset_b ROOT=<root>, or set dataset.test_list=null for a seeded list"
            )
        try:
            listed = read_prompt_list(path)
        except (OSError, UnicodeDecodeError) as error:
            raise UserError(f"test_list {path} cannot be read: {error}. Fetch it again.") from error
        pairs = listed.pairs
        present = {recording.utterance_id for recording in self.recordings("test")}
        damage = listed.damage(present, ", ".join(self._subsets("test")))
        if others := [name for name, prompt in pairs if name.split("_")[0] != prompt.split("_")[0]]:
            damage["prompted by another speaker"] = others
        found = [f"{kind}: {list_some(names)}" for kind, names in damage.items()]
        if found or not pairs:
            reasons = "; ".join(found) or "it is empty"
            raise UserError(f"test_list {path} is damaged or of another corpus: {reasons}. Fetch it again.")
        if own := listed.self_prompted:
            log.info(
                "%s: %d of %d utterances prompted by themselves, as published: %s",
                *(path.name, len(own), len(pairs), list_some(own)),
            )
        return dict(pairs)
